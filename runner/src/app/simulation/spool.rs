//! The spool's folder, on a disk that fails.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use canary_telemetry::delivery::simulated::fail_disk;
use canary_telemetry::settings::SpoolSettings;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";
/// How long requests may still be in memory only after the disk has recovered.
const CAUGHT_UP: Duration = Duration::from_secs(15);
/// Sizes of the spool; in half of the worlds it holds a few minutes only.
const SIZES: [u64; 2] = [64 << 10, 4 << 20];

#[derive(Debug)]
pub(super) struct Spool {
    folder: TempDir,
    max_bytes: u64,
    is_failing: bool,
    failed: Option<Instant>,
}

impl Spool {
    pub(super) fn new(random: &mut fastrand::Rng) -> Self {
        fail_disk(None);
        let folder = if Path::new(MEMORY).is_dir() {
            tempfile::tempdir_in(MEMORY)
        } else {
            tempfile::tempdir()
        };
        Self {
            folder: folder.expect("a folder"),
            max_bytes: SIZES[random.usize(..SIZES.len())],
            is_failing: false,
            failed: None,
        }
    }

    pub(super) fn settings(&self) -> SpoolSettings {
        SpoolSettings {
            folder: self.folder.path().join("spool"),
            max_bytes: self.max_bytes,
            max_age: Duration::from_secs(60 * 60),
        }
    }

    /// Each use of the disk fails with this error of the operating system.
    pub(super) fn fail(&mut self, errno: i32) {
        self.is_failing = true;
        fail_disk(Some(errno));
    }

    pub(super) fn heal(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            self.failed = Some(Instant::now());
        }
        fail_disk(None);
    }

    /// Whether a kill loses nothing that was handed over.
    pub(super) fn has_everything(&self) -> bool {
        !self.is_failing && self.failed.is_none_or(|at| at.elapsed() > CAUGHT_UP)
    }
}
