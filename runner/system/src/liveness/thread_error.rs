//! Errors of starting a thread. The operating system only reports that a resource is temporarily unavailable,
//! whichever limit is the cause: this adds the limits of the process.

use std::io;

use rustix::process::{Resource, getrlimit};

/// The operating system does not start a thread.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {what}: {limits}")]
pub struct ThreadError {
    /// Such as ``the thread `canary-suite` ``.
    what: String,
    limits: String,
    source: io::Error,
}

impl ThreadError {
    pub(super) fn new(what: impl Into<String>, source: io::Error) -> Self {
        Self {
            what: what.into(),
            limits: limits(),
            source,
        }
    }

    /// The thread error within an I/O error, if it is one.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<ThreadError> for io::Error {
    fn from(error: ThreadError) -> Self {
        Self::new(error.source.kind(), error)
    }
}

/// The error of a thread that was not started, with the limits that may be the cause.
#[must_use]
pub fn spawn_error(name: &str, error: io::Error) -> io::Error {
    ThreadError::new(format!("the thread `{name}`"), error).into()
}

/// Limits of the process that can prevent a thread from starting.
fn limits() -> String {
    let megabytes = |bytes: u64| format!("{} MB", bytes / 1_000_000);
    let limits = [
        ("RLIMIT_NPROC", "ulimit -u", Resource::Nproc),
        ("RLIMIT_AS", "ulimit -v", Resource::As),
        ("RLIMIT_DATA", "ulimit -d", Resource::Data),
    ];
    let limited = limits.into_iter().filter_map(|(name, option, resource)| {
        let limit = getrlimit(resource).current?;
        let limit = match resource {
            Resource::Nproc => limit.to_string(),
            _ => megabytes(limit),
        };
        Some(format!("{name} is {limit} (`{option}`)"))
    });
    name_limits(limited.collect())
}

fn name_limits(mut limits: Vec<String>) -> String {
    limits.push("its control group has a limit as well (`TasksMax=` of systemd)".to_owned());
    format!("raise the exhausted limit: {}", limits.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_not_started_names_the_limits_that_may_be_behind_it() {
        let error = spawn_error("canary-suite", io::Error::from_raw_os_error(11));
        let text = error.to_string();
        assert!(
            text.starts_with("cannot start the thread `canary-suite`: raise the exhausted limit")
                && text.ends_with("(`TasksMax=` of systemd)"),
            "{text}"
        );
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(ThreadError::within(&error).is_some());
        assert!(ThreadError::within(&io::Error::from_raw_os_error(11)).is_none());
    }

    #[test]
    fn each_limit_is_named_with_its_value() {
        assert_eq!(
            name_limits(vec!["RLIMIT_NPROC is 2 (`ulimit -u`)".to_owned()]),
            "raise the exhausted limit: RLIMIT_NPROC is 2 (`ulimit -u`), its control group has a limit as well \
             (`TasksMax=` of systemd)"
        );
    }
}
