//! What systemd is told of the service (sd_notify(3)): its state, and at every half of the watchdog's time that it lives.
//!
//! Without systemd, or what does as it does, nothing is told and nothing fails.

use std::future::Future;
use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::spare::Spare;
use crate::ledger::audit::Reserve;

/// A notice needs a socket of its own.
const SPARE: usize = 1;
/// Characters of a status; systemd shows one line.
const MAX_STATUS: usize = 500;

/// The service has started, or is done with a reload.
///
/// # Errors
/// systemd asked to be told and cannot be reached.
pub fn ready(status: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&line(status))])
}

/// The service reads its files anew; [`ready`] must follow, whatever comes of it.
///
/// # Errors
/// systemd asked to be told and cannot be reached.
pub fn reloading() -> io::Result<()> {
    // systemd takes the one without the other for a failed reload.
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// The service ends what is under way.
///
/// # Errors
/// systemd asked to be told and cannot be reached.
pub fn stopping(status: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status(&line(status))])
}

/// What `systemctl status` shows of the service.
///
/// # Errors
/// systemd asked to be told and cannot be reached.
pub fn status(text: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Status(&line(text))])
}

/// Whether there is a watchdog to feed.
#[must_use]
pub fn is_watching() -> bool {
    limit().is_some()
}

fn limit() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

/// Feeds the watchdog until `stop` is done, as long as `is_live` says so; returns at once where there is none to feed.
/// A service that is not fed any more is killed and started again.
///
/// Cancellation: the watchdog goes hungry.
pub async fn watchdog(mut is_live: impl FnMut() -> bool, reserve: &Reserve, stop: impl Future<Output = ()>) {
    let Some(limit) = limit() else { return };
    let mut spare = Spare::new(reserve, SPARE);
    let mut feedings = interval_at(Instant::now(), limit / 2);
    feedings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = async {
        loop {
            feedings.tick().await;
            if is_live() {
                spare.lend();
                // systemd itself may be starting anew; half a watchdog's time later there is another try.
                let _unfed = sd_notify::notify(&[NotifyState::Watchdog]);
                spare.refill();
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = feed => {}
    }
}

/// A status as one line: a line break would begin another notice.
fn line(text: &str) -> String {
    let printable = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    printable.take(MAX_STATUS).collect()
}
