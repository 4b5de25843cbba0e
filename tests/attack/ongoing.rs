//! Attacks of the machine while they go on.

use canary_tests::machine::Clock;
use canary_tests::receiver::Mood;

use crate::attack::Machine;
use crate::service::{Service, World};
use crate::turns::Turns;

/// Looks from one step of the clock to the next.
const STEP: usize = 30;
const HOUR: i64 = 3_600;

/// An attack that goes on until [`Self::end`].
pub(crate) enum Ongoing<'a> {
    UnreadOutput,
    HangingReceiver,
    ClockSteps(&'a Clock),
    Crowds(Turns),
}

impl<'a> Ongoing<'a> {
    pub(crate) fn begin(
        machine: Machine,
        service: &Service,
        world: &World,
        clock: Option<&'a Clock>,
    ) -> Self {
        match machine {
            Machine::UnreadOutput => {
                service.process.clog();
                Self::UnreadOutput
            }
            Machine::HangingReceiver => {
                world.hanging.set(Mood::Silent);
                Self::HangingReceiver
            }
            Machine::ClockSteps => Self::ClockSteps(clock.expect("the scenario has a clock")),
        }
    }

    /// Goes on, after so many looks.
    pub(crate) fn go_on(&mut self, looks: usize) {
        match self {
            Self::ClockSteps(clock) if looks.is_multiple_of(STEP) => {
                clock.set(if (looks / STEP).is_multiple_of(2) { HOUR } else { 0 });
            }
            Self::Crowds(turns) => turns.go_on(),
            Self::UnreadOutput | Self::HangingReceiver | Self::ClockSteps(_) => {}
        }
    }

    /// Whether it has done all that it does once.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Crowds(turns) => turns.are_over(),
            Self::UnreadOutput | Self::HangingReceiver | Self::ClockSteps(_) => true,
        }
    }

    pub(crate) fn end(self, world: &World) {
        match self {
            Self::UnreadOutput => {}
            Self::Crowds(turns) => turns.end(),
            Self::HangingReceiver => world.hanging.set(Mood::Takes),
            Self::ClockSteps(clock) => clock.set(0),
        }
    }
}
