//! The host's shared resources: a descriptor budget and slots for DNS queries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use canary_net::ledger::{Budget, Lease, Ledger, Page, PageOwner, RunRef};
use canary_net::pool::PoolSnapshot;
use canary_net::resolve::simulated::SimulatedQueries;
use canary_record::quota::Quota;
use canary_run::outcome::StopCause;
use canary_sandbox::dispatch::AttemptRequest;
use canary_suite::Check;

/// Descriptors for all runs at once; one check may have [`SHARE`] of them.
const DESCRIPTORS: u64 = 24;
/// Maximum for one check.
const SHARE: usize = 8;
/// Concurrent DNS queries of a hoarding check.
const QUESTIONS: usize = 40;

/// More than any check gets: its share is the bound that matters.
pub(super) fn quota() -> Quota {
    Quota {
        sockets: 64,
        fds: 64,
        connections: 64,
        lookups: 64,
        ..Quota::default()
    }
}

/// The host of one process. Clones share their state.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) ledger: Arc<Ledger>,
    questions: Arc<SimulatedQueries>,
}

/// A run on the host, with the connections that it leaves open.
pub(super) struct Guest {
    host: Host,
    pub(super) page: Arc<Page>,
    check: Arc<Check>,
}

impl Host {
    pub(super) fn new() -> Self {
        let ledger = Ledger::new(Budget::new(DESCRIPTORS));
        Self {
            questions: Arc::new(SimulatedQueries::new(&ledger)),
            ledger,
        }
    }

    /// Sets the descriptor budget to zero, or back.
    pub(super) fn starve(&self, is_starved: bool) {
        // A small budget lends half of what is free.
        self.ledger
            .set_budget(if is_starved { 0 } else { 2 * DESCRIPTORS }, 0);
    }

    /// A pool that gave out more than it has.
    pub(super) fn overdrawn(&self) -> Option<String> {
        let is_overdrawn = |pool: &PoolSnapshot| pool.used > pool.capacity;
        let pools = self.ledger.pools().snapshots();
        let pool = pools.into_iter().find(is_overdrawn)?;
        Some(format!(
            "{} of {} in the pool `{}` are used",
            pool.used, pool.capacity, pool.name
        ))
    }

    pub(super) fn admit(&self, request: &AttemptRequest<'_>) -> Guest {
        let owner = PageOwner {
            check: request.check.id.clone(),
            run: Some(RunRef {
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
    /// Looks up its target and connects; the target responds after `latency`.
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

    /// Opens as many connections as it gets, into `open`, and queries a silent server repeatedly. Returns what is
    /// wrong with what it got.
    pub(super) async fn hoard(&self, open: &mut Vec<Lease>) -> Result<(), String> {
        while let Ok(lease) = Lease::try_acquire(&self.page, peer()) {
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
