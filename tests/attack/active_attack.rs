//! Attacks in progress.

use canary_tests::machine::Clock;
use canary_tests::receiver::ReceiverMode;

use crate::attack::HostFault;
use crate::client_waves::ClientWaves;
use crate::service::{Service, World};

/// Samples between two clock steps.
const CLOCK_STEP_SAMPLES: usize = 30;
const HOUR: i64 = 3_600;

/// An attack in progress, until [`Self::end`].
pub(crate) enum ActiveAttack<'a> {
    UnreadOutput,
    HangingReceiver,
    ClockSteps(&'a Clock),
    Clients(ClientWaves),
}

impl<'a> ActiveAttack<'a> {
    pub(crate) fn begin(
        fault: HostFault,
        service: &Service,
        world: &World,
        clock: Option<&'a Clock>,
    ) -> Self {
        match fault {
            HostFault::UnreadOutput => {
                service.process.fill_output();
                Self::UnreadOutput
            }
            HostFault::HangingReceiver => {
                world.hanging.set(ReceiverMode::Silent);
                Self::HangingReceiver
            }
            HostFault::ClockSteps => Self::ClockSteps(clock.expect("the scenario has a clock")),
        }
    }

    /// Continues the attack after each sample.
    pub(crate) fn step(&mut self, samples: usize) {
        match self {
            Self::ClockSteps(clock) if samples.is_multiple_of(CLOCK_STEP_SAMPLES) => {
                clock.set(if (samples / CLOCK_STEP_SAMPLES).is_multiple_of(2) {
                    HOUR
                } else {
                    0
                });
            }
            Self::Clients(waves) => waves.step(),
            Self::UnreadOutput | Self::HangingReceiver | Self::ClockSteps(_) => {}
        }
    }

    /// Whether every part of it has run once.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Clients(waves) => waves.is_complete(),
            Self::UnreadOutput | Self::HangingReceiver | Self::ClockSteps(_) => true,
        }
    }

    pub(crate) fn end(self, world: &World) {
        match self {
            Self::UnreadOutput => {}
            Self::Clients(waves) => waves.end(),
            Self::HangingReceiver => world.hanging.set(ReceiverMode::Accept),
            Self::ClockSteps(clock) => clock.set(0),
        }
    }
}
