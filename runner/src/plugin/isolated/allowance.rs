//! How long a process may take, less the time for which others kept it from the processors: a plugin is not to blame for
//! a busy machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// The longest that a process may take on a busy machine, in times of its limit.
const MOST: u32 = 10;

/// The time of one process.
pub(super) struct Allowance {
    began: Instant,
    limit: Duration,
    /// A folder for each of its threads.
    threads: PathBuf,
}

impl Allowance {
    /// From now on.
    pub(super) fn new(limit: Duration, process: u32) -> Self {
        Self {
            began: Instant::now(),
            limit,
            threads: format!("/proc/{process}/task").into(),
        }
    }

    /// What is left of it; zero when it is used up.
    pub(super) fn left(&self) -> Duration {
        let elapsed = self.began.elapsed();
        let starved = match elapsed < self.limit {
            true => Duration::ZERO,
            false => starved(&self.threads),
        };
        due(self.limit, starved).saturating_sub(elapsed)
    }
}

fn due(limit: Duration, starved: Duration) -> Duration {
    limit.saturating_add(starved).min(limit.saturating_mul(MOST))
}

/// How long the thread that fared worst was ready to go on and had no processor; nothing where the kernel does not say.
fn starved(threads: &Path) -> Duration {
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    let waits = threads.filter_map(|thread| waited(&thread.path().join("schedstat")));
    waits.max().unwrap_or_default()
}

/// The second number of a thread's `schedstat`: nanoseconds on a run queue.
fn waited(statistics: &Path) -> Option<Duration> {
    let text = std::fs::read_to_string(statistics).ok()?;
    let nanoseconds = text.split_ascii_whitespace().nth(1)?;
    Some(Duration::from_nanos(nanoseconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_in_which_others_had_the_processors_does_not_count_up_to_ten_times_the_limit() {
        assert_eq!(due(secs(30), secs(0)), secs(30));
        assert_eq!(due(secs(30), secs(25)), secs(55));
        assert_eq!(due(secs(30), secs(1_000)), secs(300));
    }

    #[test]
    fn the_thread_that_waited_longest_for_a_processor_counts() {
        let threads = TempDir::new().unwrap();
        for (thread, statistics) in [("1", "900 2000000000 3\n"), ("2", "5 7000000000 1\n"), ("3", "?")] {
            let folder = threads.path().join(thread);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("schedstat"), statistics).unwrap();
        }
        assert_eq!(starved(threads.path()), secs(7));
        assert_eq!(starved(&threads.path().join("none")), secs(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_nothing_keeps_waiting_has_its_limit_and_no_more() {
        let allowance = Allowance {
            began: Instant::now(),
            limit: secs(30),
            threads: "/none".into(),
        };
        tokio::time::advance(secs(29)).await;
        assert_eq!(allowance.left(), secs(1));
        tokio::time::advance(secs(1)).await;
        assert!(allowance.left().is_zero());
    }
}
