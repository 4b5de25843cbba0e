//! A limit on the memory of a program and of all that it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::command::{Program, skip};

const V1: &str = "/sys/fs/cgroup/memory";
const V2: &str = "/sys/fs/cgroup";

/// A memory cgroup, of either version. It goes when this is dropped, after the programs in it have ended.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
    is_v1: bool,
}

impl MemoryLimit {
    /// Room for so many bytes, page cache included. `None` where no memory cgroup can be made.
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
        // It may be so already, or not be allowed, which shows when the limit is set.
        let _enabled = fs::write(Path::new(V2).join("cgroup.subtree_control"), "+memory");
        let made = fs::create_dir(&folder).is_ok().then_some(Self { folder, is_v1 });
        let limited = made.filter(|limit| limit.set(bytes));
        if limited.is_none() {
            skip("memory cgroup");
        }
        limited
    }

    fn set(&self, bytes: u64) -> bool {
        let (limit, swap) = match self.is_v1 {
            true => ("memory.limit_in_bytes", "memory.swappiness"),
            false => ("memory.max", "memory.swap.max"),
        };
        // Where the kernel knows no swap, there is nothing to take away.
        let _swap = fs::write(self.folder.join(swap), "0");
        fs::write(self.folder.join(limit), bytes.to_string()).is_ok()
    }

    /// Puts a program into it.
    #[must_use]
    pub fn of(&self, program: Program) -> Program {
        program.after(&format!(
            "echo $$ > {}",
            self.folder.join("cgroup.procs").display()
        ))
    }

    /// Processes that the kernel killed in it for want of memory.
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
        // One that is still in use stays, for whoever looks into it.
        let _gone = fs::remove_dir(&self.folder);
    }
}
