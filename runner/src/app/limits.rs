//! Whether the limits of the process leave room for the runner itself.

use std::io;
use std::num::NonZero;
use std::thread::available_parallelism;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::ledger::audit::open_descriptors;
use crate::liveness::{self, ThreadError};
use crate::quota::show_bytes;

/// Files that the service has open beside those that it was started with, all of its parts at work, and the few that its
/// checks need to go on one after the other.
const SERVICE_FILES: u64 = 56;
/// The same of a command that ends by itself.
const COMMAND_FILES: u64 = 24;
/// Address space: the program, its threads, and what the allocator reserves for them.
const ADDRESS_SPACE: u64 = 1 << 30;
/// Memory that can be written to.
const DATA: u64 = 128 << 20;
/// Address space that the allocator reserves for one more thread.
const ARENA: u64 = 64 << 20;
/// Bytes of the stack of a thread.
const STACK: u64 = 2 << 20;

/// Threads of the service, and of the compiler's process, beside one for each processor.
const SERVICE_THREADS: usize = 24;
/// The same of a command that ends by itself.
const COMMAND_THREADS: usize = 10;

/// What is to be done within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `run` and `demo`.
    Service,
    /// Every other command that runs plugins.
    Command,
}

/// A limit of the process under which the runner cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// On descriptors.
    #[error(
        "RLIMIT_NOFILE lets this process have {limit} files open at once, and it needs {needed}: raise the limit \
         (`ulimit -n`, or `LimitNOFILE=` of systemd)"
    )]
    Files {
        /// What is allowed.
        limit: u64,
        /// What it takes.
        needed: u64,
    },
    /// On address space or memory.
    #[error(
        "{name} lets this process have {} of memory, and it needs {} besides that of the checks: raise the limit \
         (`{option}`, or `{directive}=` of systemd), or limit the memory of its control group instead",
        show_bytes(*limit),
        show_bytes(*needed)
    )]
    Memory {
        /// The limit.
        name: &'static str,
        /// Of the shell's `ulimit`.
        option: &'static str,
        /// Of a systemd unit.
        directive: &'static str,
        /// Bytes that are allowed.
        limit: u64,
        /// Bytes that it takes.
        needed: u64,
    },
}

impl LimitError {
    /// The limit that is behind an error of the operating system, if it is one that has a name.
    #[must_use]
    pub fn behind(error: &io::Error, need: Need) -> Option<Self> {
        let is_of_files = error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
        let limit = getrlimit(Resource::Nofile).current.filter(|_| is_of_files)?;
        let needed = files(need, open_descriptors().unwrap_or(limit)).max(limit.saturating_add(1));
        Some(Self::Files { limit, needed })
    }
}

/// Why the process cannot work: a limit of its own, or of what it is part of.
#[derive(Debug, thiserror::Error)]
pub enum Scarcity {
    /// A limit that can be read.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Threads, of which nobody says how many there may be.
    #[error(transparent)]
    Threads(#[from] io::Error),
}

impl Scarcity {
    /// The one that is behind an error, whatever it kept from being done: that is then not at fault.
    #[must_use]
    pub fn behind(error: &anyhow::Error, need: Need) -> Option<String> {
        error.chain().find_map(|cause| {
            if let Some(limit) = cause.downcast_ref::<LimitError>() {
                return Some(limit.to_string());
            }
            let of_system = cause.downcast_ref::<io::Error>()?;
            match ThreadError::within(of_system) {
                Some(thread) => Some(thread.to_string()),
                None => LimitError::behind(of_system, need).map(|limit| limit.to_string()),
            }
        })
    }
}

/// Whether the limits of the process leave room for what is to be done, so that it does not end in the middle of that.
/// Starts threads, which end again.
///
/// # Errors
/// The limit that is too low, what is needed, and how it is raised.
pub fn suffice(need: Need) -> Result<(), Scarcity> {
    of_process(need)?;
    let processors = available_parallelism().map_or(1, NonZero::get);
    let threads = match need {
        Need::Service => SERVICE_THREADS,
        Need::Command => COMMAND_THREADS,
    };
    Ok(liveness::can_start(threads + processors)?)
}

fn of_process(need: Need) -> Result<(), LimitError> {
    // What is not limited softly is raised to the hard limit later.
    let most = |resource| getrlimit(resource).maximum;
    // Where they cannot be counted, there is hardly a descriptor left.
    let open = open_descriptors().unwrap_or(u64::MAX);
    let threads = available_parallelism().map_or(1, |threads| u64::try_from(threads.get()).unwrap_or(1));
    let current = |resource| getrlimit(resource).current;
    of_files(most(Resource::Nofile), files(need, open))?;
    of_memory(current(Resource::As), current(Resource::Data), threads)
}

fn files(need: Need, open: u64) -> u64 {
    open.saturating_add(match need {
        Need::Service => SERVICE_FILES,
        Need::Command => COMMAND_FILES,
    })
}

fn of_files(limit: Option<u64>, needed: u64) -> Result<(), LimitError> {
    match limit {
        Some(limit) if limit < needed => Err(LimitError::Files { limit, needed }),
        _ => Ok(()),
    }
}

fn of_memory(space: Option<u64>, data: Option<u64>, threads: u64) -> Result<(), LimitError> {
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
        let files = of_files(Some(40), 60).unwrap_err().to_string();
        assert_eq!(
            files,
            "RLIMIT_NOFILE lets this process have 40 files open at once, and it needs 60: raise the limit (`ulimit -n`, or \
             `LimitNOFILE=` of systemd)"
        );
        let space = of_memory(Some(512 << 20), None, 4).unwrap_err().to_string();
        assert!(
            space.starts_with(
                "RLIMIT_AS lets this process have 512 MiB of memory, and it needs 1280 MiB besides"
            ),
            "{space}"
        );
        let data = of_memory(None, Some(64 << 20), 4).unwrap_err().to_string();
        assert!(
            data.starts_with("RLIMIT_DATA lets this process have 64 MiB of memory, and it needs 136 MiB"),
            "{data}"
        );
    }

    #[test]
    fn what_is_enough_or_not_limited_is_not_spoken_of() {
        assert_eq!(of_files(Some(60), 60), Ok(()));
        assert_eq!(of_files(None, 60), Ok(()));
        assert_eq!(of_memory(None, None, 64), Ok(()));
        assert_eq!(of_memory(Some(1_280 << 20), Some(136 << 20), 4), Ok(()));
    }

    #[test]
    fn the_limit_behind_an_error_is_found() {
        let behind = |errno: Errno| LimitError::behind(&io::Error::from(errno), Need::Service);
        assert!(matches!(behind(Errno::MFILE), Some(LimitError::Files { .. })));
        assert_eq!(behind(Errno::NFILE), None);
    }
}
