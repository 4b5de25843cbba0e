//! What the host lends to runs: descriptors of its budget, and places for questions to name servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::dispatch::Request;
use crate::ledger::{Budget, Lease, Ledger, Page, PageOwner, RunMark};
use crate::net::resolve::simulated::Questions;
use crate::outcome::StopCause;
use crate::pool::PoolReading;
use crate::quota::Quota;
use crate::suite::Check;

/// Descriptors that all runs may have at once, of which one check may have [`SHARE`].
const DESCRIPTORS: u64 = 24;
/// The largest part that one check may have.
const SHARE: usize = 8;
/// Questions that a hoarder asks at once.
const QUESTIONS: usize = 40;

/// More than any check is to get: what bounds it is its share.
pub(super) fn quota() -> Quota {
    Quota {
        sockets: 64,
        fds: 64,
        connections: 64,
        lookups: 64,
        ..Quota::default()
    }
}

/// The host of one process. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) ledger: Arc<Ledger>,
    questions: Arc<Questions>,
}

/// A run on the host, with the connections that it does not close.
pub(super) struct Guest {
    host: Host,
    pub(super) page: Arc<Page>,
    check: Arc<Check>,
}

impl Host {
    pub(super) fn new() -> Self {
        let ledger = Ledger::new(Budget::new(DESCRIPTORS));
        Self {
            questions: Arc::new(Questions::new(&ledger)),
            ledger,
        }
    }

    /// The process may open no further descriptor, or as many as it began with.
    pub(super) fn starve(&self, is_starved: bool) {
        // Half of what is free is lent where little is.
        self.ledger.fit(if is_starved { 0 } else { 2 * DESCRIPTORS }, 0);
    }

    /// A pool that gave out more than it has.
    pub(super) fn overdrawn(&self) -> Option<String> {
        let is_overdrawn = |pool: &PoolReading| pool.used > pool.capacity;
        let pools = self.ledger.pools().read();
        let pool = pools.into_iter().find(is_overdrawn)?;
        Some(format!(
            "{} of {} in the pool `{}` are used",
            pool.used, pool.capacity, pool.name
        ))
    }

    pub(super) fn admit(&self, request: &Request<'_>) -> Guest {
        let owner = PageOwner {
            check: request.check.id.clone(),
            run: Some(RunMark {
                trace_id: request.trace.trace_id,
                plugin: "tcp".into(),
            }),
            attempt: request.number,
        };
        let recorder = Arc::clone(request.recorder);
        Guest {
            page: self.ledger.open_page(owner, request.check.quota, recorder),
            host: self.clone(),
            check: Arc::clone(request.check),
        }
    }
}

impl Guest {
    /// Looks its target up and connects; the target takes so long to answer.
    pub(super) async fn reach(&self, latency: Duration) -> Result<(), StopCause> {
        let name = format!("{}.test", self.check.name);
        let questions = &self.host.questions;
        let found = questions.ask(&name, &self.check.id, sleep(latency / 4)).await;
        found.map_err(|_| StopCause::DnsBusy)?;
        let lease = Lease::acquire(&self.page, peer()).await;
        let _connection = lease.map_err(|_| StopCause::Descriptors)?;
        sleep(latency - latency / 4).await;
        Ok(())
    }

    /// Opens as many connections as it gets, into `open`, and asks a silent server again and again. What is wrong with
    /// what it got is said.
    pub(super) async fn hoard(&self, open: &mut Vec<Lease>) -> Result<(), String> {
        while let Ok(lease) = Lease::take(&self.page, peer()) {
            open.push(lease);
        }
        let name = format!("{}.silent", self.check.name);
        let ask = |_| {
            let answer = std::future::pending();
            self.host.questions.ask(&name, &self.check.id, answer)
        };
        drop(timeout(self.check.timeout, join_all((0..QUESTIONS).map(ask))).await);
        match open.len() {
            1..=SHARE => Ok(()),
            count => Err(format!(
                "{} got {count} of {DESCRIPTORS} descriptors",
                self.check.id
            )),
        }
    }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 443))
}
