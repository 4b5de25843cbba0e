//! The thread that says that the runner lives: the heartbeat, and what systemd hears.

use std::future::Future;
use std::io;
use std::time::Duration;

use super::thread::Thread;
use super::{Host, aside};
use crate::console;
use crate::publish::Board;
use crate::telemetry::Exposition;
use crate::watch::health::{Health, Limits, Sources};
use crate::watch::heartbeat::{self, ExportState, Record, Vitals};
use crate::watch::systemd;

/// Starts to judge the runner, and to tell of it for as long as the thread is there.
///
/// # Errors
/// The operating system refuses a thread or what a runtime needs.
pub(super) fn start(
    host: &Host,
    sources: Sources,
    settings: Option<heartbeat::Settings>,
) -> io::Result<(Thread, Health)> {
    let (board, exposition) = (sources.board.clone(), sources.exposition.clone());
    let health = Health::new(sources, Limits::default());
    let judge = health.clone();
    let reserve = host.reserve.clone();
    let thread = Thread::start("canary-vigil", aside::runtime()?, |stop| async move {
        let fed = systemd::watchdog(|| judge.check().is_alive(), &reserve, stop.cancelled());
        let beats = async {
            let Some(settings) = settings else { return };
            let record = Record::default();
            let counted = record.clone();
            exposition.counting(move || counted.pings());
            let look = || vitals(&judge, &board, &exposition);
            heartbeat::run(&settings, look, &reserve, &record, stop.cancelled()).await;
        };
        tokio::join!(fed, beats);
    })?;
    Ok((thread, health))
}

fn vitals(health: &Health, board: &Board, exposition: &Exposition) -> Vitals {
    let delivery = exposition.delivery();
    let mut most_often: Option<Duration> = None;
    board.each(|check, _| {
        most_often = Some(most_often.map_or(check.interval, |known| known.min(check.interval)));
    });
    let every = delivery.as_ref().map(|delivery| delivery.expected_every);
    Vitals {
        finished: board.account().finished_in_all(),
        exports: delivery.and_then(|delivery| ExportState::of(&delivery.report)),
        sick: health.check().sickness(),
        pace: most_often.max(every).unwrap_or_default(),
    }
}

/// Tells systemd that so many checks run.
pub(super) fn ready(checks: usize) {
    let checks = match checks {
        1 => "1 check".to_owned(),
        more => format!("{more} checks"),
    };
    noted(systemd::ready(&checks));
}

/// Tells systemd that the suite is read again; [`ready`] or [`refused`] follows.
pub(super) fn reloading() {
    noted(systemd::reloading());
}

/// Tells systemd that the old suite goes on.
pub(super) fn refused() {
    noted(systemd::ready(
        "the suite was read again and refused; the old one goes on",
    ));
}

/// `stop`, of which systemd hears.
pub(super) async fn stopping(stop: impl Future<Output = ()>) {
    stop.await;
    noted(systemd::stopping("waiting for the runs under way"));
}

fn noted(told: io::Result<()>) {
    if let Err(error) = told {
        console::note(&format!("cannot tell systemd how the service is: {error}"));
    }
}
