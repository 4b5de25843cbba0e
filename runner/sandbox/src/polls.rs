//! Which run each worker thread is polling, and in which host function it is: the watchdog's source.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[expect(
    clippy::disallowed_types,
    reason = "how long a thread is held up is the machine's, also where a test pauses the clock"
)]
use std::time::Instant;

use canary_suite::CheckId;

/// What a run is executing: its guest, or a function that the host executes for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostFunction {
    /// The guest's own code, and the WASI functions that it calls.
    #[default]
    Guest,
    /// The instance is being created.
    Instantiate,
    /// `tcp`: `connect`.
    Connect,
    /// `tcp`: `start-tls`.
    StartTls,
    /// `tcp`: `read`.
    Read,
    /// `tcp`: `read-ready`.
    ReadReady,
    /// `tcp`: `read-until`.
    ReadUntil,
    /// `tcp`: `write`.
    Write,
    /// `tcp`: `shutdown-write`.
    ShutdownWrite,
    /// `http`: `send`.
    Send,
    /// `http`: `send-all`.
    SendAll,
    /// `http`: `open` of an exchange.
    OpenExchange,
    /// `http`: `head` and `trailers` of an exchange.
    ExchangeHead,
    /// `http`: `read` of an exchange.
    ReadExchange,
    /// `http`: `read-ready` of an exchange.
    ReadReadyExchange,
    /// `dns`: `query`.
    Query,
    /// `dns`: `addresses`.
    Addresses,
    /// `tls`, `tcp`, `http`: `check`; `http`: `endpoint-of`.
    Check,
    /// `log`: `log`.
    Log,
    /// `secrets`: `mask`.
    Mask,
    /// The host records the guest's verdict.
    Verdict,
}

impl HostFunction {
    const ALL: [Self; 21] = [
        Self::Guest,
        Self::Instantiate,
        Self::Connect,
        Self::StartTls,
        Self::Read,
        Self::ReadReady,
        Self::ReadUntil,
        Self::Write,
        Self::ShutdownWrite,
        Self::Send,
        Self::SendAll,
        Self::OpenExchange,
        Self::ExchangeHead,
        Self::ReadExchange,
        Self::ReadReadyExchange,
        Self::Query,
        Self::Addresses,
        Self::Check,
        Self::Log,
        Self::Mask,
        Self::Verdict,
    ];

    /// Name in the contract; a bounded set, suitable as a metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Instantiate => "instantiate",
            Self::Connect => "tcp.connect",
            Self::StartTls => "tcp.start-tls",
            Self::Read => "tcp.read",
            Self::ReadReady => "tcp.read-ready",
            Self::ReadUntil => "tcp.read-until",
            Self::Write => "tcp.write",
            Self::ShutdownWrite => "tcp.shutdown-write",
            Self::Send => "http.send",
            Self::SendAll => "http.send-all",
            Self::OpenExchange => "http.open",
            Self::ExchangeHead => "http.head",
            Self::ReadExchange => "http.read",
            Self::ReadReadyExchange => "http.read-ready",
            Self::Query => "dns.query",
            Self::Addresses => "dns.addresses",
            Self::Check => "check",
            Self::Log => "log.log",
            Self::Mask => "secrets.mask",
            Self::Verdict => "verdict",
        }
    }
}

/// All runs in progress, readable from other threads. Cheap to clone; all clones are one registry.
#[derive(Debug, Clone)]
pub struct PollRegistry(Arc<Registry>);

#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "see the import")]
struct Registry {
    epoch: Instant,
    next: AtomicU64,
    runs: Mutex<HashMap<u64, Arc<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    check: CheckId,
    /// Start of the poll in progress, in nanoseconds after the epoch plus one; 0 between polls.
    began: AtomicU64,
    function: AtomicU8,
}

/// A poll in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivePoll {
    /// The run and the start of the poll: unchanged as long as it is the same poll.
    pub id: (u64, u64),
    /// The check of the run.
    pub check: CheckId,
    /// What it executes.
    pub function: HostFunction,
    /// How long it has taken so far.
    pub elapsed: Duration,
}

impl Default for PollRegistry {
    #[expect(clippy::disallowed_types, reason = "see the import")]
    fn default() -> Self {
        Self(Arc::new(Registry {
            epoch: Instant::now(),
            next: AtomicU64::new(0),
            runs: Mutex::default(),
        }))
    }
}

impl PollRegistry {
    /// Polls in progress that have taken `limit` or longer, of any run.
    #[must_use]
    pub fn longer_than(&self, limit: Duration) -> Vec<ActivePoll> {
        let now = nanos(self.0.epoch.elapsed());
        let runs = self.0.runs();
        let polls = runs.iter().filter_map(|(run, slot)| {
            let began = slot.began.load(Ordering::Relaxed).checked_sub(1)?;
            let elapsed = Duration::from_nanos(now.saturating_sub(began));
            (elapsed >= limit).then(|| ActivePoll {
                id: (*run, began),
                check: slot.check.clone(),
                function: slot.function(),
                elapsed,
            })
        });
        polls.collect()
    }

    /// Registers a run of a check, until the returned value is dropped.
    pub(super) fn enter(&self, check: &CheckId) -> RunPoll {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot {
            check: check.clone(),
            began: AtomicU64::new(0),
            function: AtomicU8::new(HostFunction::Instantiate as u8),
        });
        self.0.runs().insert(id, Arc::clone(&slot));
        RunPoll {
            registry: Arc::clone(&self.0),
            id,
            slot,
        }
    }
}

impl Registry {
    /// Locked for an insertion, a removal, or a walk of the watchdog.
    fn runs(&self) -> MutexGuard<'_, HashMap<u64, Arc<Slot>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn function(&self) -> HostFunction {
        let index = usize::from(self.function.load(Ordering::Relaxed));
        HostFunction::ALL.get(index).copied().unwrap_or_default()
    }
}

/// A run's entry in the registry; removed on drop.
#[derive(Debug)]
pub(super) struct RunPoll {
    registry: Arc<Registry>,
    id: u64,
    slot: Arc<Slot>,
}

impl RunPoll {
    #[expect(clippy::disallowed_types, reason = "see the import")]
    pub(super) fn begin(&self, at: Instant) {
        let since = nanos(at.saturating_duration_since(self.registry.epoch));
        self.slot.began.store(since.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.slot.began.store(0, Ordering::Relaxed);
    }

    pub(super) fn enter(&self, function: HostFunction) {
        self.slot.function.store(function as u8, Ordering::Relaxed);
    }
}

impl Drop for RunPoll {
    fn drop(&mut self) {
        self.registry.runs().remove(&self.id);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_types, reason = "see the import")]
    fn a_poll_is_seen_with_its_check_and_function_as_long_as_it_goes_on() {
        let registry = PollRegistry::default();
        let run = registry.enter(&CheckId::new("slow"));
        let seen = || {
            let polls = registry.longer_than(Duration::ZERO);
            polls
                .into_iter()
                .map(|poll| (poll.check.to_string(), poll.function.as_str()))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(), []);
        run.enter(HostFunction::ReadUntil);
        run.begin(Instant::now());
        assert_eq!(seen(), [("slow".to_owned(), "tcp.read-until")]);
        assert_eq!(registry.longer_than(Duration::from_secs(3_600)), []);
        run.end();
        assert_eq!(seen(), []);
        run.begin(Instant::now());
        drop(run);
        assert_eq!(seen(), []);
    }

    #[test]
    fn every_function_is_read_as_it_was_written() {
        let registry = PollRegistry::default();
        let run = registry.enter(&CheckId::new("a"));
        for function in HostFunction::ALL {
            run.enter(function);
            assert_eq!(run.slot.function(), function);
        }
    }
}
