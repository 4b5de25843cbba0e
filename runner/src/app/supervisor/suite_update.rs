//! Switches to another suite quickly: expensive preparation, and dropping what it replaces, happen on the requester's
//! side.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Supervisor;
use crate::app::load::Loaded;
use canary_alert::SuiteIndex;
use canary_run::publish::{DeferredDrop, Restored};
use canary_run::schedule::ticker::Plans;
use canary_sandbox::dispatch::{Execute, Plugins};
use canary_suite::Suite;

/// A prepared suite, and the channel that returns the suite it replaces.
pub struct SuiteUpdate {
    /// Parsed and compiled.
    loaded: Loaded,
    plans: Plans,
    suite_index: SuiteIndex,
    replaced_tx: oneshot::Sender<ReplacedSuite>,
}

impl SuiteUpdate {
    /// Prepares an update; the receiver gets the replaced suite once the update is applied.
    #[must_use]
    pub fn new(loaded: Loaded) -> (Self, oneshot::Receiver<ReplacedSuite>) {
        let (replaced_tx, replaced_rx) = oneshot::channel();
        let update = Self {
            plans: Plans::from(loaded.suite.checks.as_slice()),
            suite_index: SuiteIndex::new(&loaded.suite),
            loaded,
            replaced_tx,
        };
        (update, replaced_rx)
    }
}

/// The suite that was active before. Dropping it takes a while, so the requester does that.
pub struct ReplacedSuite {
    _plans: Plans,
    _suite_index: SuiteIndex,
    _plugins: Arc<Plugins>,
    _released: DeferredDrop,
    /// Shared with its other users.
    _new: Suite,
}

impl<E: Execute> Supervisor<'_, E> {
    pub(super) fn apply_update(&mut self, mut update: SuiteUpdate) {
        let Loaded { suite, plugins, .. } = update.loaded;
        let now = Instant::now();
        let plans = self.replace_plans(update.plans);
        let plugins = self.dispatcher.apply_suite(plugins, &suite);
        let applied = self
            .statuses
            .apply_suite(&suite.checks, &mut Restored::default(), now);
        self.begin_cadences(&suite.checks);
        let released = self.on_suite_applied(&suite, &mut update.suite_index, applied);
        // The requester may be gone.
        let _requester_gone = update.replaced_tx.send(ReplacedSuite {
            _plans: plans,
            _suite_index: update.suite_index,
            _plugins: plugins,
            _released: released,
            _new: suite,
        });
    }
}
