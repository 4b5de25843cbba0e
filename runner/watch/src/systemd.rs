//! Notifies systemd (sd_notify(3)) of the service's state, and feeds its watchdog at half the time-out.
//!
//! Without systemd, or a compatible manager, nothing is sent and nothing fails.

use std::future::Future;
use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::reserved_fds::ReservedFds;
use canary_net::ledger::audit::InternalFds;

/// A notification needs a socket of its own.
const RESERVED_FDS: usize = 1;
/// Maximum characters of a status; systemd shows one line.
const MAX_STATUS: usize = 500;

/// The service has started, or completed a reload.
///
/// # Errors
/// There is a manager, and it cannot be reached.
pub fn ready(status: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&line(status))])
}

/// The service reloads its configuration; [`ready`] must follow, whatever the result.
///
/// # Errors
/// There is a manager, and it cannot be reached.
pub fn reloading() -> io::Result<()> {
    // Without the time, systemd takes the notification for a failed reload.
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// The service is shutting down.
///
/// # Errors
/// There is a manager, and it cannot be reached.
pub fn stopping(status: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status(&line(status))])
}

/// Whether systemd's watchdog is enabled.
#[must_use]
pub fn watchdog_enabled() -> bool {
    time_out().is_some()
}

fn time_out() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|time_out| !time_out.is_zero())
}

/// Feeds the watchdog until `stop` completes, while `is_live` returns true; returns at once if the watchdog is
/// disabled. systemd kills and restarts a service that stops feeding it.
///
/// Cancellation: the watchdog is no longer fed.
pub async fn watchdog(
    mut is_live: impl FnMut() -> bool,
    internal_fds: &InternalFds,
    stop: impl Future<Output = ()>,
) {
    let Some(time_out) = time_out() else { return };
    let mut reserved_fds = ReservedFds::new(internal_fds, RESERVED_FDS);
    let mut ticks = interval_at(Instant::now(), time_out / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let notify = async {
        loop {
            ticks.tick().await;
            if is_live() {
                reserved_fds.release();
                // systemd itself may be restarting; the next attempt follows after half the time-out.
                let _failed = sd_notify::notify(&[NotifyState::Watchdog]);
                reserved_fds.refill();
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = notify => {}
    }
}

/// Puts a status on one line: a line break would begin another notification.
fn line(text: &str) -> String {
    let printable = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    printable.take(MAX_STATUS).collect()
}
