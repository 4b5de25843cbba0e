//! The places for questions to name servers, without servers.

use std::future::Future;
use std::time::Duration;

use super::flight::Progress;
use super::schedule::{Party, Schedule, zone};
use super::settings::Whose;
use crate::ledger::Ledger;
use crate::net::NetError;
use crate::suite::CheckId;

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(2);

/// Asks what a test answers.
#[derive(Debug)]
pub(crate) struct Questions(Schedule);

impl Questions {
    pub(crate) fn new(ledger: &Ledger) -> Self {
        Self(Schedule::new(ledger))
    }

    /// Says whether there was an answer in time.
    ///
    /// # Errors
    /// There was no place in time.
    pub(crate) async fn ask(
        &self,
        name: &str,
        check: &CheckId,
        answer: impl Future<Output = ()>,
    ) -> Result<bool, NetError> {
        let party = Party {
            whose: Whose::Machine,
            destination: zone(name),
            check: check.clone(),
            plugin: "tcp".into(),
        };
        let answer = async {
            answer.await;
            Ok(())
        };
        let answer = self.0.ask(&party, LIMIT, &Progress::default(), answer).await;
        Ok(answer?.is_some())
    }
}
