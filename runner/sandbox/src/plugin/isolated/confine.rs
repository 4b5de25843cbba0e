//! Confines a worker process before it reads any untrusted input.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::worker_limits::WorkerLimits;

/// Maximum number of descriptors: three pipes, and what a runtime needs.
const MAX_DESCRIPTORS: u64 = 64;
/// Maximum bytes of a file that it may write. It writes none to a disk: the engine stores the initial memory of
/// guests in anonymous files.
const MAX_FILE: u64 = 256 << 20;
/// OOM score: the higher, the sooner the kernel kills the process when memory runs out.
const OOM_SCORE_ADJ: &str = "1000";
/// Lower priority than other processes.
const NICE: i32 = 10;

/// Limits this process permanently.
///
/// # Errors
/// A mandatory limit cannot be set.
pub(super) fn confine(limits: WorkerLimits) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = rustix::process::getppid().map(Pid::as_raw_nonzero);
    let is_there = parent.is_some_and(|parent| u32::try_from(parent.get()).ok() == Some(limits.parent));
    if !is_there {
        return Err(io::Error::other("the process that started it is gone"));
    }
    close_inherited()?;
    set_no_new_privileges()?;
    // Optional: without them other processes suffer a little more, but nothing is less safe.
    let _oom_score = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
    let _priority = rustix::process::nice(NICE);
    // Address space is not limited: a guest's memory reserves 4 GiB of it but writes to little.
    limit(Resource::Data, limits.memory)?;
    limit(Resource::Cpu, limits.cpu)?;
    limit(Resource::Nofile, MAX_DESCRIPTORS)?;
    limit(Resource::Fsize, MAX_FILE)?;
    limit(Resource::Core, 0)
}

fn limit(resource: Resource, limit_value: u64) -> io::Result<()> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let limit_value = inherited.map_or(limit_value, |inherited| inherited.min(limit_value));
    // The soft limit of CPU time is one second lower: its signal ends the process as well, and can be distinguished
    // from a kill.
    let maximum = match resource {
        Resource::Cpu => inherited.map_or(limit_value + 1, |inherited| inherited.min(limit_value + 1)),
        _ => limit_value,
    };
    let limit = Rlimit {
        current: Some(limit_value),
        maximum: Some(maximum),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// Closes descriptors that were inherited without `CLOEXEC`.
fn close_inherited() -> io::Result<()> {
    let names = std::fs::read_dir("/proc/self/fd")?;
    let numbers: Vec<i32> = names
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        #[expect(
            unsafe_code,
            reason = "descriptors that no value stands for can be closed by number only"
        )]
        // SAFETY: this process has opened nothing of its own yet except the folder that was read, which is closed
        // already.
        let _closed = unsafe { libc::close(number) };
    }
    Ok(())
}

/// Sets `no_new_privs`: no program that it might start can gain privileges.
fn set_no_new_privileges() -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "the safe wrapper is in a part of its library that is not compiled in"
    )]
    // SAFETY: this option takes no pointers.
    let failed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    match failed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
