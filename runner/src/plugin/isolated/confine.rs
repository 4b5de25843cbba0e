//! What a worker takes from itself before it reads a byte that it was given.

use std::io;

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::worker::WorkerLimits;

/// Descriptors: three pipes, and what a runtime needs.
const MAX_DESCRIPTORS: u64 = 64;
/// Bytes of a file that it may write. It writes none on a disk: the engine keeps the memory that guests start with in
/// files without a name.
const MAX_FILE: u64 = 256 << 20;
/// The more, the sooner the kernel kills it when memory runs out.
const KILLED_FIRST: &str = "1000";
/// Others come first.
const NICE: i32 = 10;

/// Limits this process for good.
///
/// # Errors
/// It cannot be limited in a way that it must be.
pub(super) fn confine(limits: WorkerLimits) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = rustix::process::getppid().map(Pid::as_raw_nonzero);
    let is_there = parent.is_some_and(|parent| u32::try_from(parent.get()).ok() == Some(limits.parent));
    if !is_there {
        return Err(io::Error::other("the process that started it is gone"));
    }
    close_inherited()?;
    forgo_privileges()?;
    // Without them it is a little harder on others, and no less safe.
    let _killed_later = std::fs::write("/proc/self/oom_score_adj", KILLED_FIRST);
    let _as_others = rustix::process::nice(NICE);
    // Address space is not limited: a guest's memory reserves 4 GiB of it, and writes to little.
    limit(Resource::Data, limits.memory)?;
    limit(Resource::Cpu, limits.cpu)?;
    limit(Resource::Nofile, MAX_DESCRIPTORS)?;
    limit(Resource::Fsize, MAX_FILE)?;
    limit(Resource::Core, 0)
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let most = inherited.map_or(most, |inherited| inherited.min(most));
    // Of processor time, a warning comes first that ends the process as well, and can be told from being killed.
    let maximum = match resource {
        Resource::Cpu => inherited.map_or(most + 1, |inherited| inherited.min(most + 1)),
        _ => most,
    };
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(maximum),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// Closes what the process that started it had from elsewhere and did not know of.
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
        // SAFETY: this process has opened nothing of its own yet but the folder that was read, which is closed already.
        let _closed = unsafe { libc::close(number) };
    }
    Ok(())
}

/// No program that it might start can have more rights than it has.
fn forgo_privileges() -> io::Result<()> {
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
