//! Notices about delivery for the operator, rate-limited per kind.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::report::{DeliveryReport, DropReason};
use crate::signal::Signal;
use canary_outbound::{NoticeLimiter, NoticePolicy};

/// A collector that accepts some requests and refuses others would be reported all the time.
const POLICY: NoticePolicy = NoticePolicy {
    outage_interval: Duration::from_secs(10 * 60),
    loss_interval: Duration::from_secs(10 * 60),
};

/// A change in the state of delivery, for the log; `Display` is the log line.
#[derive(Debug, thiserror::Error)]
pub enum Notice {
    /// The first of consecutive export failures of a signal.
    #[error("exporting {} failed: {message}; buffering and retrying", .signal.as_str())]
    Unreachable {
        /// The signal.
        signal: Signal,
        /// The reason.
        message: String,
    },
    /// [`Notice::Unreachable`] at the end of a process without a spool: nothing is retried any more.
    #[error("exporting {} failed: {message}; {}", .signal.as_str(), lost(*.requests))]
    NotExported {
        /// The signal.
        signal: Signal,
        /// The reason.
        message: String,
        /// The number of requests that are lost.
        requests: u64,
    },
    /// The first successful export after [`Notice::Unreachable`].
    #[error("exporting {} recovered; sending {waiting} queued requests", .signal.as_str())]
    Recovered {
        /// The signal.
        signal: Signal,
        /// Requests still queued, which are sent now.
        waiting: usize,
    },
    /// The collector refused a request, or a part of one, for good.
    #[error("the collector rejected {}, dropping them: {message}", refused(*.signal, .check.as_deref()))]
    Refused {
        /// The signal.
        signal: Signal,
        /// The check, if all the data was of one.
        check: Option<String>,
        /// The reason.
        message: String,
    },
    /// Repeated attempts to send data of one check failed; it is deferred until the data of others is sent.
    #[error("exporting {} failed: {message}; sending other checks first", refused(*.signal, .check.as_deref()))]
    Deferred {
        /// The signal.
        signal: Signal,
        /// The check.
        check: Option<String>,
        /// The reason.
        message: String,
    },
    /// The collector accepted a request but discarded some of its items.
    #[error("the collector rejected {items} items of {}: {message}", .signal.as_str())]
    PartlyRejected {
        /// The signal.
        signal: Signal,
        /// The number of spans, data points or log records.
        items: u64,
        /// The reason.
        message: String,
    },
    /// Requests are being dropped.
    #[error("dropping {}: {}", .signal.as_str(), .reason.description())]
    RequestsDropped {
        /// The signal.
        signal: Signal,
        /// The reason.
        reason: DropReason,
    },
    /// The spool folder is unusable: requests are kept in memory instead.
    #[error("cannot use spool folder `{}` ({error}); buffering requests in memory", .folder.display())]
    SpoolFailed {
        /// The folder.
        folder: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The spool folder is usable again.
    #[error("spool folder `{}` is usable again", .folder.display())]
    SpoolRecovered {
        /// The folder.
        folder: PathBuf,
    },
}

impl Notice {
    /// The last notices of a process whose delivery ended with `report`, in words that are true at its end. A failure
    /// and what it lost are one notice.
    pub(crate) fn at_end(pending: impl IntoIterator<Item = Self>, report: &DeliveryReport) -> Vec<Self> {
        let mut last: Vec<Self> = Vec::new();
        for notice in pending {
            match notice {
                Self::Unreachable { signal, message } if report.lost_at_end(signal) > 0 => {
                    last.push(Self::NotExported {
                        signal,
                        message,
                        requests: report.lost_at_end(signal),
                    });
                }
                Self::RequestsDropped {
                    signal,
                    reason: DropReason::Shutdown,
                } if last.iter().any(|earlier| earlier.is_loss_of(signal)) => {}
                notice => last.push(notice),
            }
        }
        last
    }

    fn is_loss_of(&self, of: Signal) -> bool {
        matches!(self, Self::NotExported { signal, .. } if *signal == of)
    }
}

fn lost(requests: u64) -> String {
    match requests {
        1 => "1 request was not exported".to_owned(),
        _ => format!("{requests} requests were not exported"),
    }
}

fn refused(signal: Signal, check: Option<&str>) -> String {
    match check {
        Some(check) => format!("{} of check `{check}`", signal.as_str()),
        None => format!("some {}", signal.as_str()),
    }
}

/// The sending end of the notice channel. Notices are dropped when the channel is full: delivery never blocks.
#[derive(Debug, Clone)]
pub(super) struct NoticeSender {
    tx: mpsc::Sender<Notice>,
    limiter: NoticeLimiter<&'static str>,
}

impl NoticeSender {
    pub(super) fn new(tx: mpsc::Sender<Notice>) -> Self {
        Self {
            tx,
            limiter: NoticeLimiter::new(POLICY),
        }
    }

    pub(super) fn send(&self, notice: Notice) {
        // The receiver is gone or too slow.
        drop(self.tx.try_send(notice));
    }

    /// Sends the notice of a failure, unless this outage was reported.
    pub(super) fn send_failure(&mut self, notice: Notice) {
        if self.limiter.record_failure(Instant::now()) {
            self.send(notice);
        }
    }

    /// Sends the notice of a recovery, if the outage was reported.
    pub(super) fn send_recovery(&mut self, notice: Notice) {
        if self.limiter.record_success() {
            self.send(notice);
        }
    }

    /// Sends a notice, unless one of the same kind was sent recently.
    pub(super) fn send_rate_limited(&mut self, kind: &'static str, notice: Notice) {
        if self.limiter.record_loss(kind, Instant::now()) {
            self.send(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_end(lost: &[(Signal, u64)]) -> Vec<String> {
        let mut report = DeliveryReport::default();
        for (signal, requests) in lost {
            let dropped = [(DropReason::Shutdown, *requests)].into();
            report.signals.entry(*signal).or_default().dropped = dropped;
        }
        let dropped = lost.iter().map(|(signal, _)| Notice::RequestsDropped {
            signal: *signal,
            reason: DropReason::Shutdown,
        });
        let failed = Notice::Unreachable {
            signal: Signal::Traces,
            message: "nobody there".to_owned(),
        };
        let last = Notice::at_end(std::iter::once(failed).chain(dropped), &report);
        last.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn at_the_end_a_failure_promises_no_retry_of_what_is_lost() {
        assert_eq!(
            at_end(&[(Signal::Traces, 1)]),
            ["exporting traces failed: nobody there; 1 request was not exported"]
        );
        assert_eq!(
            at_end(&[(Signal::Traces, 2), (Signal::Logs, 1)]),
            [
                "exporting traces failed: nobody there; 2 requests were not exported",
                "dropping logs: shutting down without a disk to spool them to"
            ]
        );
        assert_eq!(
            at_end(&[]),
            ["exporting traces failed: nobody there; buffering and retrying"]
        );
    }
}
