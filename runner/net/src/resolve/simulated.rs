//! The query scheduler without name servers, for simulations.

use std::future::Future;
use std::time::Duration;

use super::scheduler::{QueryOrigin, QueryScheduler, zone};
use super::settings::ServerOwner;
use super::single_flight::Progress;
use crate::NetError;
use crate::ledger::Ledger;
use canary_suite::CheckId;

/// Timeout of a query.
const LIMIT: Duration = Duration::from_secs(2);

/// Schedules queries that are answered by a test.
#[derive(Debug)]
pub struct SimulatedQueries(QueryScheduler);

impl SimulatedQueries {
    /// A scheduler without name servers.
    pub fn new(ledger: &Ledger) -> Self {
        Self(QueryScheduler::new(ledger))
    }

    /// Runs a query; returns whether it was answered in time.
    ///
    /// # Errors
    /// There was no place in time.
    pub async fn ask(
        &self,
        name: &str,
        check: &CheckId,
        answer: impl Future<Output = ()>,
    ) -> Result<bool, NetError> {
        let origin = QueryOrigin {
            owner: ServerOwner::Machine,
            destination: zone(name),
            check: check.clone(),
            plugin: "tcp".into(),
        };
        let answer = async {
            answer.await;
            Ok(())
        };
        let answer = self.0.run(&origin, LIMIT, &Progress::default(), answer).await;
        Ok(answer?.is_some())
    }
}
