//! What became of every scheduled run. Nothing that was due may vanish: scheduled = finished + missed + those
//! still under way, always.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::outcome::Outcome;

/// Why a due time passed without a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissReason {
    /// The check's previous run was still under way.
    Overlap,
    /// The runner had no room for it in time.
    Overload,
    /// The runner was asleep, or the clock jumped.
    ClockJump,
    /// The runner went down before it started.
    Shutdown,
}

impl MissReason {
    /// The word in metrics and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Overload => "overload",
            Self::ClockJump => "clock_jump",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The runs of one check, or of all, since the runner started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    scheduled: u64,
    started: u64,
    finished: BTreeMap<&'static str, u64>,
    missed: BTreeMap<MissReason, u64>,
}

impl Account {
    /// Due times came, those that are missed at once included.
    pub fn schedule(&mut self, due_times: u64) {
        self.scheduled += due_times;
    }

    /// A scheduled run got its permits.
    pub fn start(&mut self) {
        self.started += 1;
    }

    /// A started run ended.
    pub fn finish(&mut self, outcome: &Outcome) {
        *self.finished.entry(outcome.word()).or_default() += 1;
    }

    /// Scheduled runs will never start.
    pub fn miss(&mut self, reason: MissReason, due_times: u64) {
        *self.missed.entry(reason).or_default() += due_times;
    }

    /// Due times so far.
    #[must_use]
    pub fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// Runs started so far.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Runs finished so far, by [`Outcome::word`].
    #[must_use]
    pub fn finished(&self) -> &BTreeMap<&'static str, u64> {
        &self.finished
    }

    /// Due times missed so far.
    #[must_use]
    pub fn missed(&self) -> &BTreeMap<MissReason, u64> {
        &self.missed
    }

    /// Whether every due time is accounted for, given how many runs are `waiting` for permits and `running`
    /// by another count than this one, such as the tasks that exist.
    #[must_use]
    pub fn holds(&self, waiting: u64, running: u64) -> bool {
        let finished: u64 = self.finished.values().sum();
        let missed: u64 = self.missed.values().sum();
        self.scheduled == finished + missed + waiting + running && self.started == finished + running
    }
}
