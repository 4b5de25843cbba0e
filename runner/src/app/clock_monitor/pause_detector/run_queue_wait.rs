//! How long a thread was runnable but waited for a processor, because others had it or the cgroup's quota was used
//! up.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// Statistics of the thread that opens it.
const STATISTICS: &str = "/proc/thread-self/schedstat";
/// Three numbers with separators.
const MAX_BYTES: usize = 64;

/// Time that one thread spent waiting on a run queue.
#[derive(Debug, Default)]
pub(super) struct RunQueueWait {
    /// `None` if the kernel does not have these statistics. The file stays open: there may be no descriptor left
    /// later.
    statistics: Option<File>,
    before: Duration,
}

impl RunQueueWait {
    pub(super) fn of_this_thread() -> Self {
        let mut run_queue_wait = Self {
            statistics: File::open(STATISTICS).ok(),
            before: Duration::ZERO,
        };
        run_queue_wait.since_last_read();
        run_queue_wait
    }

    /// The waiting time since the last call; zero if the kernel does not report it.
    pub(super) fn since_last_read(&mut self) -> Duration {
        let now = self.read().unwrap_or(self.before);
        now.saturating_sub(std::mem::replace(&mut self.before, now))
    }

    fn read(&self) -> Option<Duration> {
        let mut bytes = [0; MAX_BYTES];
        let length = self.statistics.as_ref()?.read_at(&mut bytes, 0).ok()?;
        parse(bytes.get(..length)?)
    }
}

/// The second number: nanoseconds on a run queue.
fn parse(statistics: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(statistics).ok()?;
    let nanoseconds = text.split_ascii_whitespace().nth(1)?;
    Some(Duration::from_nanos(nanoseconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_a_thread_waited_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schedstat");
        let mut file = File::create(&path).unwrap();
        let mut run_queue_wait = RunQueueWait {
            statistics: Some(File::open(&path).unwrap()),
            before: Duration::ZERO,
        };
        file.write_all(b"900 2000000000 3\n").unwrap();
        assert_eq!(run_queue_wait.since_last_read(), Duration::from_secs(2));
        assert_eq!(run_queue_wait.since_last_read(), Duration::ZERO);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_no_wait() {
        assert_eq!(RunQueueWait::default().since_last_read(), Duration::ZERO);
        assert_eq!(parse(b"?"), None);
        assert_eq!(parse(b""), None);
    }
}
