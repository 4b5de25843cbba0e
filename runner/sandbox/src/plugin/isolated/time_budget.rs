//! The time budget of a process, extended by the time for which it waited for a processor: a plugin is not to blame
//! for a busy machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum time of a process on a busy machine, as a multiple of its limit.
const MAX_EXTENSION: u32 = 10;

/// The time budget of one process.
pub(super) struct TimeBudget {
    began: Instant,
    limit: Duration,
    /// The folder with an entry for each of its threads.
    threads: PathBuf,
}

impl TimeBudget {
    /// Starts now.
    pub(super) fn new(limit: Duration, process: u32) -> Self {
        Self {
            began: Instant::now(),
            limit,
            threads: format!("/proc/{process}/task").into(),
        }
    }

    /// What is left of the budget; zero when it is used up.
    pub(super) fn left(&self) -> Duration {
        let elapsed = self.began.elapsed();
        let run_queue_delay = if elapsed < self.limit {
            Duration::ZERO
        } else {
            run_queue_delay(&self.threads)
        };
        extended(self.limit, run_queue_delay).saturating_sub(elapsed)
    }
}

fn extended(limit: Duration, run_queue_delay: Duration) -> Duration {
    limit
        .saturating_add(run_queue_delay)
        .min(limit.saturating_mul(MAX_EXTENSION))
}

/// The longest time that any of its threads was ready to run but had no processor; zero if the kernel does not report
/// it.
fn run_queue_delay(threads: &Path) -> Duration {
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    let waits = threads.filter_map(|thread| run_queue_time(&thread.path().join("schedstat")));
    waits.max().unwrap_or_default()
}

/// The second number of a thread's `schedstat`: nanoseconds on a run queue.
fn run_queue_time(statistics: &Path) -> Option<Duration> {
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
        assert_eq!(extended(secs(30), secs(0)), secs(30));
        assert_eq!(extended(secs(30), secs(25)), secs(55));
        assert_eq!(extended(secs(30), secs(1_000)), secs(300));
    }

    #[test]
    fn the_thread_that_waited_longest_for_a_processor_counts() {
        let threads = TempDir::new().unwrap();
        for (thread, statistics) in [("1", "900 2000000000 3\n"), ("2", "5 7000000000 1\n"), ("3", "?")] {
            let folder = threads.path().join(thread);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("schedstat"), statistics).unwrap();
        }
        assert_eq!(run_queue_delay(threads.path()), secs(7));
        assert_eq!(run_queue_delay(&threads.path().join("none")), secs(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_nothing_keeps_waiting_has_its_limit_and_no_more() {
        let time_budget = TimeBudget {
            began: Instant::now(),
            limit: secs(30),
            threads: "/none".into(),
        };
        tokio::time::advance(secs(29)).await;
        assert_eq!(time_budget.left(), secs(1));
        tokio::time::advance(secs(1)).await;
        assert!(time_budget.left().is_zero());
    }
}
