//! The account of one attempt.

mod counted;
mod cpu;
mod quotas;
mod state;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::active_step::ActiveStep;
use super::model::PageOwner;
use super::slot::Revocable;
use super::traffic::Traffic;
use super::{Ledger, Refusal};
use crate::pool::PoolPermit;
use canary_record::quota::Quota;
use canary_record::trace::{
    ClosedBy, Connection, EndCause, Phase, PhaseTime, Shortage, Step, StepKind, Trail,
};
use canary_record::{ConnectionLog, Recorder, Section};
use canary_run::outcome::{LogLine, Usage};
use cpu::CpuUsed;
pub(super) use state::{Entry, State};

/// Maximum number of closed connections recorded per page; further ones are only counted.
const MAX_CONNECTIONS: usize = 64;
/// Maximum number of steps recorded per page; further ones are only counted.
const MAX_STEPS: usize = 128;
/// Record budget used by a closed connection, in bytes.
const CONNECTION_BYTES: u64 = size_of::<Connection>() as u64;

/// The account of one attempt: its quotas, its usage and its open descriptors.
pub struct Page {
    ledger: Arc<Ledger>,
    id: u64,
    owner: PageOwner,
    quota: Quota,
    recorder: Arc<Recorder>,
    opened_at: Instant,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Absent for a service of the host.
    cpu_used: OnceLock<Box<CpuUsed>>,
    /// Shared by the run's task and the live view; held for a few assignments.
    state: Mutex<State>,
}

impl Page {
    pub(super) fn new(
        ledger: Arc<Ledger>,
        id: u64,
        owner: PageOwner,
        quota: Quota,
        recorder: Arc<Recorder>,
    ) -> Arc<Self> {
        let (bytes_in, bytes_out) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            ledger,
            id,
            owner,
            quota,
            recorder,
            opened_at: Instant::now(),
            bytes_in,
            bytes_out,
            cpu_used: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    /// The limits of this attempt.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The recorder for the run's texts.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ends the run's network access: closes every open descriptor before returning, counts them as reclaimed, and
    /// refuses new ones. Later calls do nothing.
    pub fn end(&self, cause: EndCause) {
        let leftovers = {
            let mut state = self.state();
            if state.ended.is_some() {
                return;
            }
            state.ended = Some(cause);
            let leftovers: Vec<_> = state.entries.iter_mut().filter_map(Option::take).collect();
            state.open = 0;
            state.usage.reclaimed = count(leftovers.len());
            leftovers
        };
        let abort = cause != EndCause::Returned;
        for entry in &leftovers {
            if let Some(descriptor) = &entry.descriptor {
                descriptor.revoke(abort);
            }
        }
        let now = SystemTime::now();
        for entry in &leftovers {
            self.ledger.record_reclaimed(self.reclaimed(entry, cause, now));
        }
        let mut state = self.state();
        for entry in leftovers {
            self.record_closed(&mut state, entry, ClosedBy::Host(cause));
        }
    }

    /// Counts a destination or name that the grants denied.
    pub(crate) fn record_ungranted(&self) {
        self.state().usage.ungranted += 1;
    }

    /// Counts a failure of something that the check itself configured (its proxy, its source address) and that says
    /// nothing about the target.
    pub(crate) fn record_own_failure(&self) {
        self.state().usage.own_failures += 1;
    }

    /// Resource usage so far. The sandbox adds memory and CPU.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = self.state().usage.clone();
        usage.used.bytes_in = self.bytes_in.load(Ordering::Relaxed);
        usage.used.bytes_out = self.bytes_out.load(Ordering::Relaxed);
        usage
    }

    /// Takes the log lines recorded so far.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes the trail recorded so far; times are relative to the page's opening.
    #[must_use]
    pub fn take_trail(&self) -> Trail {
        std::mem::take(&mut self.state().trail)
    }

    /// Starts recording a step. `limit` distinguishes a step that timed out from one that was cancelled.
    pub fn begin_step(self: &Arc<Self>, kind: StepKind, limit: Instant) -> ActiveStep {
        ActiveStep::new(Arc::clone(self), kind, limit)
    }

    /// Adds time spent in a phase.
    pub(crate) fn record_phase(&self, phase: Phase, took: Duration, error: Option<&'static str>) {
        let mut state = self.state();
        let known = state.trail.phases.iter_mut().find(|time| time.phase == phase);
        match known {
            Some(time) => {
                time.took += took;
                time.error = error.or(time.error);
            }
            None => state.trail.phases.push(PhaseTime {
                attempt: self.owner.attempt,
                phase,
                took,
                error,
            }),
        }
    }

    /// Records a step that ended.
    pub(super) fn record_step(&self, step: Step) {
        let mut state = self.state();
        let code = step.error.as_ref().map(|error| error.code);
        // A refused step did not create a socket.
        let shortage = code.and_then(Shortage::from_code);
        let is_refused = code == Some("quota") || shortage.is_some();
        state.shortage = state.shortage.or(shortage);
        if matches!(step.kind, StepKind::Connect { .. }) && !is_refused {
            *state.usage.opened.entry(code).or_default() += 1;
        }
        let fits = state.trail.steps.len() < MAX_STEPS && self.recorder.admit(Section::Trail, step.weight());
        if fits {
            state.trail.steps.push(step)
        } else {
            state.trail.steps_lost += 1
        }
    }

    /// When the page was opened.
    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// The ledger that this page lends from.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The owner of this page.
    pub(crate) fn owner(&self) -> &PageOwner {
        &self.owner
    }

    /// Number of open descriptors.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.state().open
    }

    /// Registers a socket that has a place in the host's budget, and counts a connection.
    pub(super) fn register(
        &self,
        peer: SocketAddr,
        permit: PoolPermit,
    ) -> Result<(usize, Arc<Traffic>), Refusal> {
        let mut state = self.state();
        self.check_quotas(&mut state)?;
        let connection_log = self.recorder.conversation().map(ConnectionLog::new);
        Ok(state.register(self.recorder.peer(peer), permit, connection_log))
    }

    /// Attaches a descriptor to its entry; fails if the run ended in between.
    pub(super) fn attach(&self, index: usize, descriptor: Arc<dyn Revocable>) -> Result<(), Refusal> {
        let mut state = self.state();
        let entry = state
            .entries
            .get_mut(index)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Ended)?;
        entry.descriptor = Some(descriptor);
        Ok(())
    }

    /// Removes an entry; does nothing if the end of the run already removed it.
    pub(super) fn unregister(&self, index: usize) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(index).and_then(Option::take) else {
            return;
        };
        state.open -= 1;
        let by = if entry.traffic.peer_closed.load(Ordering::Relaxed) {
            ClosedBy::Peer
        } else {
            ClosedBy::Guest
        };
        self.record_closed(&mut state, entry, by);
    }

    fn record_closed(&self, state: &mut State, entry: Entry, closed_by: ClosedBy) {
        *state.usage.closed.entry(closed_by).or_default() += 1;
        entry.traffic.log_closed(closed_by);
        let connections = &mut state.trail.connections;
        if connections.len() >= MAX_CONNECTIONS || !self.recorder.admit(Section::Trail, CONNECTION_BYTES) {
            return;
        }
        connections.push(Connection {
            peer: entry.peer,
            opened: entry.opened_at - self.opened_at,
            open_for: entry.opened_at.elapsed(),
            bytes_in: entry.traffic.bytes_in.load(Ordering::Relaxed),
            bytes_out: entry.traffic.bytes_out.load(Ordering::Relaxed),
            closed_by,
        });
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Critical sections under this lock are a few assignments that cannot panic midway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Nothing is open at this point: each lease holds an `Arc` of its page.
        self.ledger.close_page(self.id);
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page")
            .field("owner", &self.owner)
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
