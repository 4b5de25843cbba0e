//! Another suite put in force, in a moment: it is prepared, and what it replaces is released, where nobody waits for that.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Service;
use crate::alert::Roster;
use crate::app::load::Loaded;
use crate::dispatch::{Execute, Plugins};
use crate::publish::{Released, Restored};
use crate::schedule::ticker::Plans;
use crate::suite::Suite;

/// A suite to go on with, and who waits until it is in force.
pub struct Swap {
    /// Everything parsed and compiled.
    loaded: Loaded,
    plans: Plans,
    roster: Roster,
    done: oneshot::Sender<Replaced>,
}

impl Swap {
    /// Prepares what takes long; the other end hears when the suite is in force.
    #[must_use]
    pub fn new(loaded: Loaded) -> (Self, oneshot::Receiver<Replaced>) {
        let (done, in_force) = oneshot::channel();
        let swap = Self {
            plans: Plans::from(loaded.suite.checks.as_slice()),
            roster: Roster::of(&loaded.suite),
            loaded,
            done,
        };
        (swap, in_force)
    }
}

/// What was in force before. To release it takes long, so whoever waits for the swap does that.
pub struct Replaced {
    _plans: Plans,
    _roster: Roster,
    _plugins: Arc<Plugins>,
    _known: Released,
    /// Shared with all who go by it.
    _new: Suite,
}

impl<E: Execute> Service<'_, E> {
    pub(super) fn swap(&mut self, mut swap: Swap) {
        let Loaded { suite, plugins, .. } = swap.loaded;
        let now = Instant::now();
        let plans = self.replace_plans(swap.plans);
        let plugins = self.dispatcher.replace(plugins, &suite);
        let layout = self.board.keep(&suite.checks, &mut Restored::default(), now);
        self.begin_cadences(&suite.checks);
        let known = self.laid_out(&suite, &mut swap.roster, layout);
        // Whoever asked for it may have gone.
        let _nobody_waits = swap.done.send(Replaced {
            _plans: plans,
            _roster: swap.roster,
            _plugins: plugins,
            _known: known,
            _new: suite,
        });
    }
}
