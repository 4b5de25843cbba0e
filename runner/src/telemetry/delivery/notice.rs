//! What an operator should hear of delivery, each thing once and not once a request.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::report::DropReason;
use crate::telemetry::settings::Signal;

/// How long a loss that goes on is not spoken of again.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// A change of how delivery goes, for the log; `Display` is the line.
#[derive(Debug, thiserror::Error)]
pub enum Notice {
    /// The first of a row of failures of a signal's exports.
    #[error("{} are not delivered: {message}; they wait and are sent later", .signal.word())]
    Unreachable {
        /// Whose exports fail.
        signal: Signal,
        /// Why.
        message: String,
    },
    /// The first export that was accepted after [`Notice::Unreachable`].
    #[error("{} are delivered again; {waiting} requests waited", .signal.word())]
    Delivering {
        /// Whose exports work.
        signal: Signal,
        /// Requests that still wait, which are sent now.
        waiting: usize,
    },
    /// The collector refused a request, or a part of one, for good.
    #[error("the collector refuses {}, which are dropped: {message}", refused(*.signal, .check.as_deref()))]
    Refused {
        /// Whose request it was.
        signal: Signal,
        /// The check whose data alone it was.
        check: Option<String>,
        /// Why.
        message: String,
    },
    /// Several attempts at data of one check failed, and those of others go before them from now on.
    #[error("{} could not be sent: {message}; others go before them", refused(*.signal, .check.as_deref()))]
    HeldBack {
        /// Whose data they are.
        signal: Signal,
        /// Of which check.
        check: Option<String>,
        /// Why.
        message: String,
    },
    /// The collector accepted a request, but not all of it.
    #[error("the collector rejected {items} items of {}: {message}", .signal.word())]
    PartlyRejected {
        /// Whose request it was.
        signal: Signal,
        /// How many spans, data points or log records.
        items: u64,
        /// Why.
        message: String,
    },
    /// Requests are lost.
    #[error("requests of {} are lost: {}", .signal.word(), .reason.sentence())]
    Losing {
        /// Whose requests they are.
        signal: Signal,
        /// Why.
        reason: DropReason,
    },
    /// The spool folder cannot be used: what should wait there waits in memory.
    #[error("spool folder `{}` cannot be used ({error}); requests wait in memory", .folder.display())]
    SpoolFailed {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The spool folder works again.
    #[error("spool folder `{}` can be used again", .folder.display())]
    SpoolRecovered {
        /// Which folder.
        folder: PathBuf,
    },
}

fn refused(signal: Signal, check: Option<&str>) -> String {
    match check {
        Some(check) => format!("{} of the check `{check}`", signal.word()),
        None => format!("requests of {}", signal.word()),
    }
}

/// Where notices go. A channel that is full loses them: delivery waits for nobody.
#[derive(Debug, Clone)]
pub(super) struct Notices {
    sender: mpsc::Sender<Notice>,
    told: BTreeMap<&'static str, Instant>,
}

impl Notices {
    pub(super) fn new(sender: mpsc::Sender<Notice>) -> Self {
        Self {
            sender,
            told: BTreeMap::new(),
        }
    }

    pub(super) fn tell(&self, notice: Notice) {
        // Nobody listens, or listens too slowly.
        drop(self.sender.try_send(notice));
    }

    /// Tells it unless something of the same kind was told a while ago; says whether it did.
    pub(super) fn tell_seldom(&mut self, kind: &'static str, notice: Notice) -> bool {
        let now = Instant::now();
        if self.told.get(kind).is_some_and(|told| now - *told < QUIET) {
            return false;
        }
        self.told.insert(kind, now);
        self.tell(notice);
        true
    }
}
