//! How many checks are at each stage.

use super::Stage;

/// The number of checks at each stage, maintained incrementally.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct StageCounts {
    pub(super) waiting: u64,
    pub(super) running: u64,
}

impl StageCounts {
    pub(super) fn get_mut(&mut self, stage: Stage) -> Option<&mut u64> {
        match stage {
            Stage::Idle => None,
            Stage::Waiting => Some(&mut self.waiting),
            Stage::Running => Some(&mut self.running),
        }
    }
}
