//! A limit on the memory of a program and of all that it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::{Program, skip};

const V1: &str = "/sys/fs/cgroup/memory";
const V2: &str = "/sys/fs/cgroup";

/// A memory cgroup, version 1 or 2. Removed on drop, after the programs in it have exited.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
    is_v1: bool,
}

impl MemoryLimit {
    /// A limit in bytes, page cache included. `None` where no memory cgroup can be created.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "canary-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let is_v1 = Path::new(V1).join("memory.limit_in_bytes").exists();
        let folder = Path::new(if is_v1 { V1 } else { V2 }).join(name);
        // It may be enabled already. A missing permission shows when the limit is set.
        let _enabled = fs::write(Path::new(V2).join("cgroup.subtree_control"), "+memory");
        let made = fs::create_dir(&folder).is_ok().then_some(Self { folder, is_v1 });
        let limited = made.filter(|limit| limit.set(bytes));
        if limited.is_none() {
            skip("memory cgroup");
        }
        limited
    }

    fn set(&self, bytes: u64) -> bool {
        let (limit, swap) = if self.is_v1 {
            ("memory.limit_in_bytes", "memory.swappiness")
        } else {
            ("memory.max", "memory.swap.max")
        };
        // Kernels without swap accounting have no such file.
        let _swap = fs::write(self.folder.join(swap), "0");
        fs::write(self.folder.join(limit), bytes.to_string()).is_ok()
    }

    /// Starts a program in the cgroup.
    #[must_use]
    pub fn apply_to(&self, program: Program) -> Program {
        program.after(&format!(
            "echo $$ > {}",
            self.folder.join("cgroup.procs").display()
        ))
    }

    /// Number of processes in it that the OOM killer has killed.
    #[must_use]
    pub fn kills(&self) -> u64 {
        let file = if self.is_v1 {
            "memory.oom_control"
        } else {
            "memory.events"
        };
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or_default()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // A cgroup that is still in use stays and can be inspected.
        let _gone = fs::remove_dir(&self.folder);
    }
}
