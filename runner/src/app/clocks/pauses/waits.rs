//! How long a thread was ready to go on and had no processor: others had it, or the quota of its cgroup was used up.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

/// Of the thread that opens it.
const STATISTICS: &str = "/proc/thread-self/schedstat";
/// Three numbers and what is between them.
const MAX_BYTES: usize = 64;

/// The waits of one thread.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Absent where the kernel keeps no such account. It stays open: there may be no descriptor later.
    statistics: Option<File>,
    before: Duration,
}

impl Waits {
    pub(super) fn of_this_thread() -> Self {
        let mut waits = Self {
            statistics: File::open(STATISTICS).ok(),
            before: Duration::ZERO,
        };
        waits.since_asked();
        waits
    }

    /// How long it waited since this was asked last; nothing where the kernel does not say.
    pub(super) fn since_asked(&mut self) -> Duration {
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
        let mut waits = Waits {
            statistics: Some(File::open(&path).unwrap()),
            before: Duration::ZERO,
        };
        file.write_all(b"900 2000000000 3\n").unwrap();
        assert_eq!(waits.since_asked(), Duration::from_secs(2));
        assert_eq!(waits.since_asked(), Duration::ZERO);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_no_wait() {
        assert_eq!(Waits::default().since_asked(), Duration::ZERO);
        assert_eq!(parse(b"?"), None);
        assert_eq!(parse(b""), None);
    }
}
