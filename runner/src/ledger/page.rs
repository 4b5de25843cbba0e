//! One attempt's own account.

mod state;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::record::PageOwner;
use super::recording::Recording;
use super::slot::Revocable;
use super::traffic::Traffic;
use super::{Denial, Ledger, Refusal};
use crate::outcome::{LogLevel, LogLine, Usage};
use crate::pool::Place;
use crate::quota::{Quota, QuotaKind};
use crate::record::{Channel, MAX_TEXT, Part, Recorder};
use crate::trace::{ClosedBy, Connection, EndCause, Phase, PhaseTime, Shortage, Step, StepKind, Trail};
pub(super) use state::{Entry, State};

/// Closed connections that a page remembers; more are counted only.
const CONNECTIONS_KEPT: usize = 64;
/// Steps that a page remembers; more are counted only.
const STEPS_KEPT: usize = 128;
/// What a log line takes of a run's record besides its texts.
const LINE_WEIGHT: u64 = size_of::<LogLine>() as u64;
/// What a closed connection takes of a run's record.
const CONNECTION_WEIGHT: u64 = size_of::<Connection>() as u64;

/// One attempt's own account: what it may use, what it used, what it has open.
pub struct Page {
    ledger: Arc<Ledger>,
    id: u64,
    owner: PageOwner,
    quota: Quota,
    recorder: Arc<Recorder>,
    opened_at: Instant,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
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
            state: Mutex::default(),
        })
    }

    /// The limits of this attempt.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Records the texts of the run.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Ends the run's use of the network: closes every descriptor that is still open before it returns, counts
    /// them as reclaimed, and refuses any further one. Later calls do nothing.
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
            self.ledger.note_reclaimed(self.reclaimed(entry, cause, now));
        }
        let mut state = self.state();
        for entry in leftovers {
            self.remember(&mut state, entry, ClosedBy::Host(cause));
        }
    }

    /// Counts a DNS question against the quota `lookups`.
    ///
    /// # Errors
    /// The quota is used up.
    pub fn count_lookup(&self) -> Result<(), Denial> {
        let mut state = self.state();
        if state.usage.lookups >= self.quota.lookups {
            return Err(self.refuse(&mut state, QuotaKind::Lookups));
        }
        state.usage.lookups += 1;
        Ok(())
    }

    /// Keeps a line of the guest's log, of 4 KiB with its fields; beyond the quota `log_lines`, or where the run's
    /// record has no room left, it is dropped and counted.
    pub fn log(&self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        let at = self.opened_at.elapsed();
        {
            let mut state = self.state();
            if state.usage.log_lines >= self.quota.log_lines {
                self.refuse(&mut state, QuotaKind::LogLines);
                return;
            }
            state.usage.log_lines += 1;
        }
        if !self.recorder.admit(Part::Log, LINE_WEIGHT) {
            let fields: usize = fields.iter().map(|(key, value)| key.len() + value.len()).sum();
            self.recorder.leave_out(count(message.len() + fields));
            return;
        }
        // Not under the lock: to find secrets takes its time.
        let mut entry = self.recorder.entry(Part::Log, MAX_TEXT);
        let line = LogLine {
            level,
            message: entry.text(message),
            fields: entry.pairs(fields),
            at,
        };
        self.state().log.push(line);
    }

    /// Counts a refusal that another part of the host decided, such as memory.
    pub fn note_denial(&self, kind: QuotaKind) -> Denial {
        self.refuse(&mut self.state(), kind)
    }

    /// Counts a place or a name that the grants refused.
    pub fn note_ungranted(&self) {
        self.state().usage.ungranted += 1;
    }

    /// Counts a failure of what the check itself asked for, which says nothing of the target.
    pub fn note_own_failure(&self) {
        self.state().usage.own_failures += 1;
    }

    /// What was used up to now. The sandbox adds memory and cpu.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = self.state().usage.clone();
        usage.bytes_in = self.bytes_in.load(Ordering::Relaxed);
        usage.bytes_out = self.bytes_out.load(Ordering::Relaxed);
        usage
    }

    /// Takes the log lines kept up to now.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes what was written down up to now; times count from the page's opening.
    #[must_use]
    pub fn take_trail(&self) -> Trail {
        std::mem::take(&mut self.state().trail)
    }

    /// Begins to write a step down. `limit` tells a step that ran out of time from one that was no longer wanted.
    pub fn begin(self: &Arc<Self>, kind: StepKind, limit: Instant) -> Recording {
        Recording::new(Arc::clone(self), kind, limit)
    }

    /// Counts time spent in a phase.
    pub fn spend(&self, phase: Phase, took: Duration, error: Option<&'static str>) {
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

    /// Keeps a step that ended.
    pub(super) fn keep(&self, step: Step) {
        let mut state = self.state();
        let word = step.error.as_ref().map(|error| error.word);
        // No socket was made of what was refused.
        let shortage = word.and_then(Shortage::of_word);
        let is_refused = word == Some("quota") || shortage.is_some();
        state.shortage = state.shortage.or(shortage);
        if matches!(step.kind, StepKind::Connect { .. }) && !is_refused {
            *state.usage.opened.entry(word).or_default() += 1;
        }
        let fits = state.trail.steps.len() < STEPS_KEPT && self.recorder.admit(Part::Trail, step.weight());
        match fits {
            true => state.trail.steps.push(step),
            false => state.trail.steps_lost += 1,
        }
    }

    /// When the page was opened.
    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// The ledger that it lends from.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whose page it is.
    pub(crate) fn owner(&self) -> &PageOwner {
        &self.owner
    }

    /// Descriptors open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.state().open
    }

    /// Whether the run may open one more socket.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        self.judge(&mut self.state())
    }

    /// Whether the run may open one more socket beside those that are open.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.open < self.quota.sockets && state.open + state.shared < self.quota.fds
    }

    /// Enters a socket that has its place in the host's budget, and counts a connect.
    pub(super) fn enter(&self, peer: SocketAddr, place: Place) -> Result<(usize, Arc<Traffic>), Refusal> {
        let mut state = self.state();
        self.judge(&mut state)?;
        let channel = self.recorder.conversation().map(Channel::new);
        Ok(state.enter(self.recorder.peer(peer), place, channel))
    }

    fn judge(&self, state: &mut State) -> Result<(), Refusal> {
        if state.ended.is_some() {
            return Err(Refusal::Ended);
        }
        let used = [
            (QuotaKind::Connections, state.usage.connections),
            (QuotaKind::Sockets, state.open),
            (QuotaKind::Fds, state.open + state.shared),
        ];
        let is_used_up = |(kind, used): &(QuotaKind, u64)| *used >= self.quota.limit(*kind);
        match used.into_iter().find(is_used_up) {
            Some((kind, _)) => Err(self.refuse(state, kind).into()),
            None => Ok(()),
        }
    }

    /// Binds a descriptor to its entry; the run may have ended in between.
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

    /// Strikes an entry out; nothing to do when the end of the run did so before.
    pub(super) fn leave(&self, index: usize) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(index).and_then(Option::take) else {
            return;
        };
        state.open -= 1;
        let by = match entry.traffic.peer_closed.load(Ordering::Relaxed) {
            true => ClosedBy::Peer,
            false => ClosedBy::Guest,
        };
        self.remember(&mut state, entry, by);
    }

    /// How many bytes may still be received.
    pub(super) fn left_in(&self) -> u64 {
        self.quota
            .bytes_in
            .saturating_sub(self.bytes_in.load(Ordering::Relaxed))
    }

    /// How many bytes may still be sent.
    pub(super) fn left_out(&self) -> u64 {
        self.quota
            .bytes_out
            .saturating_sub(self.bytes_out.load(Ordering::Relaxed))
    }

    pub(super) fn count_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(count(bytes), Ordering::Relaxed);
    }

    pub(super) fn count_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(count(bytes), Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, state: &mut State, what: QuotaKind) -> Denial {
        let limit = self.quota.limit(what);
        self.recorder
            .note(|| format!("refused: {}", Denial { what, limit }));
        state.deny(what, limit, self.opened_at.elapsed());
        Denial { what, limit }
    }

    fn remember(&self, state: &mut State, entry: Entry, closed_by: ClosedBy) {
        *state.usage.closed.entry(closed_by).or_default() += 1;
        entry.traffic.note_closed(closed_by);
        let connections = &mut state.trail.connections;
        if connections.len() >= CONNECTIONS_KEPT || !self.recorder.admit(Part::Trail, CONNECTION_WEIGHT) {
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
        // Every section under this lock is a few assignments that cannot panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Nothing is open: each lease keeps its page.
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
