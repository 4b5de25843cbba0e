//! Checks that the process limits leave enough resources for the runner itself.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use canary_net::ledger::audit::open_descriptors;
use canary_record::quota::format_bytes;
use canary_system::liveness::{self, ThreadError};

/// Descriptors that the service needs besides those it was started with: all of its components, plus a few so that
/// checks can at least run one after the other.
const SERVICE_FILES: u64 = 56;
/// The same for a one-shot command.
const COMMAND_FILES: u64 = 24;
/// Address space of the program, its threads, and the allocator's reservations.
const ADDRESS_SPACE: u64 = 1 << 30;
/// Writable memory.
const DATA: u64 = 128 << 20;
/// Address space that the allocator reserves for each additional thread.
const ARENA: u64 = 64 << 20;
/// Stack size of a thread in bytes.
const STACK: u64 = 2 << 20;

/// Threads of the service and of the plugin compiler's process, besides one per processor.
const SERVICE_THREADS: usize = 25;
/// The same for a one-shot command.
const COMMAND_THREADS: usize = 10;

/// The kind of process, which determines what resources it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// `run` and `demo`.
    Service,
    /// Any other command that runs plugins.
    Command,
}

/// A process limit that is too low for the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Limit on open descriptors.
    #[error(
        "RLIMIT_NOFILE is {limit}, but the service needs {needed} open files: raise the limit \
         (`ulimit -n`, or `LimitNOFILE=` of systemd)"
    )]
    Files {
        /// The limit.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// Limit on address space or memory.
    #[error(
        "{name} is {}, but the service needs {} of memory besides that of the checks: raise the limit \
         (`{option}`, or `{directive}=` of systemd), or limit the memory of its control group instead",
        format_bytes(*limit),
        format_bytes(*needed)
    )]
    Memory {
        /// Name of the limit.
        name: &'static str,
        /// Option of the shell's `ulimit`.
        option: &'static str,
        /// Directive of a systemd unit.
        directive: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
}

impl LimitError {
    /// The limit that caused an operating system error, if the error is of that kind.
    #[must_use]
    pub fn from_io_error(error: &io::Error, kind: ProcessKind) -> Option<Self> {
        let is_of_files = error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
        let limit = getrlimit(Resource::Nofile).current.filter(|_| is_of_files)?;
        let needed = files(kind, open_descriptors().unwrap_or(limit)).max(limit.saturating_add(1));
        Some(Self::Files { limit, needed })
    }
}

/// A resource shortage that prevents the process from working.
#[derive(Debug, thiserror::Error)]
pub enum ResourceShortage {
    /// A process limit with a known value.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Threads, for which no effective limit can be read.
    #[error(transparent)]
    Threads(#[from] io::Error),
}

impl ResourceShortage {
    /// The shortage in the error's chain of causes, if any: the operation that failed is then not at fault.
    #[must_use]
    pub fn find_in(error: &anyhow::Error, kind: ProcessKind) -> Option<String> {
        error.chain().find_map(|cause| {
            if let Some(limit) = cause.downcast_ref::<LimitError>() {
                return Some(limit.to_string());
            }
            let io_error = cause.downcast_ref::<io::Error>()?;
            match ThreadError::within(io_error) {
                Some(thread) => Some(thread.to_string()),
                None => LimitError::from_io_error(io_error, kind).map(|limit| limit.to_string()),
            }
        })
    }
}

/// Checks up front that the process limits suffice, so that the process does not fail halfway. Starts threads, which
/// end again.
///
/// # Errors
/// The limit that is too low, what is needed, and how to raise it.
pub fn check(kind: ProcessKind) -> Result<(), ResourceShortage> {
    check_process(kind)?;
    let processors = available_parallelism().map_or(1, NonZero::get);
    let threads = match kind {
        ProcessKind::Service => SERVICE_THREADS,
        ProcessKind::Command => COMMAND_THREADS,
    };
    Ok(liveness::can_start(threads + processors)?)
}

fn check_process(kind: ProcessKind) -> Result<(), LimitError> {
    // A lower soft limit is raised to the hard limit later.
    let hard_limit = |resource| getrlimit(resource).maximum;
    // If the descriptors cannot be counted, there are practically none left.
    let open = open_descriptors().unwrap_or(u64::MAX);
    let threads = available_parallelism().map_or(1, |threads| u64::try_from(threads.get()).unwrap_or(1));
    let current = |resource| getrlimit(resource).current;
    check_files(hard_limit(Resource::Nofile), files(kind, open))?;
    check_memory(current(Resource::As), current(Resource::Data), threads)
}

fn files(kind: ProcessKind, open: u64) -> u64 {
    open.saturating_add(match kind {
        ProcessKind::Service => SERVICE_FILES,
        ProcessKind::Command => COMMAND_FILES,
    })
}

fn check_files(limit: Option<u64>, needed: u64) -> Result<(), LimitError> {
    match limit {
        Some(limit) if limit < needed => Err(LimitError::Files { limit, needed }),
        _ => Ok(()),
    }
}

fn check_memory(space: Option<u64>, data: Option<u64>, threads: u64) -> Result<(), LimitError> {
    let too_low = |limit: Option<u64>, needed| limit.filter(|limit| *limit < needed);
    let needed = ADDRESS_SPACE.saturating_add(threads.saturating_mul(ARENA));
    if let Some(limit) = too_low(space, needed) {
        return Err(LimitError::Memory {
            name: "RLIMIT_AS",
            option: "ulimit -v",
            directive: "LimitAS",
            limit,
            needed,
        });
    }
    let needed = DATA.saturating_add(threads.saturating_mul(STACK));
    match too_low(data, needed) {
        Some(limit) => Err(LimitError::Memory {
            name: "RLIMIT_DATA",
            option: "ulimit -d",
            directive: "LimitDATA",
            limit,
            needed,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_is_needed_and_the_way_out() {
        let files = check_files(Some(40), 60).unwrap_err().to_string();
        assert_eq!(
            files,
            "RLIMIT_NOFILE is 40, but the service needs 60 open files: raise the limit (`ulimit -n`, or \
             `LimitNOFILE=` of systemd)"
        );
        let space = check_memory(Some(512 << 20), None, 4).unwrap_err().to_string();
        assert!(
            space.starts_with("RLIMIT_AS is 512 MiB, but the service needs 1280 MiB of memory besides"),
            "{space}"
        );
        let data = check_memory(None, Some(64 << 20), 4).unwrap_err().to_string();
        assert!(
            data.starts_with("RLIMIT_DATA is 64 MiB, but the service needs 136 MiB"),
            "{data}"
        );
    }

    #[test]
    fn what_is_enough_or_not_limited_is_not_spoken_of() {
        assert_eq!(check_files(Some(60), 60), Ok(()));
        assert_eq!(check_files(None, 60), Ok(()));
        assert_eq!(check_memory(None, None, 64), Ok(()));
        assert_eq!(check_memory(Some(1_280 << 20), Some(136 << 20), 4), Ok(()));
    }

    #[test]
    fn the_limit_behind_an_error_is_found() {
        let from_errno =
            |errno: Errno| LimitError::from_io_error(&io::Error::from(errno), ProcessKind::Service);
        assert!(matches!(from_errno(Errno::MFILE), Some(LimitError::Files { .. })));
        assert_eq!(from_errno(Errno::NFILE), None);
    }
}
