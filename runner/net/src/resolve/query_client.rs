//! DNS queries of one run.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::ResolverSettings;
use super::settings::{ConfigSource, LookupConfig, ServerOwner};
use super::single_flight::Progress;
use crate::NetError;
use crate::ledger::{Charge, Page};
use canary_record::Conversation;
use canary_record::trace::Shortage;
use canary_suite::CheckId;

/// Maximum number of concurrent queries per run. A check never overlaps itself, so this is also the check's limit.
const MAX_CONCURRENT_QUERIES: u32 = 4;

/// Issues the DNS queries of one run: a few concurrently, each charged one descriptor of the run's quota.
#[derive(Debug)]
pub struct QueryClient {
    page: Arc<Page>,
    permits: Semaphore,
    /// The check's own name servers, if it has any.
    settings: Option<Arc<LookupConfig>>,
}

/// The right to send one query; released on drop.
#[derive(Debug)]
pub(super) struct QueryPermit<'a> {
    _permit: SemaphorePermit<'a>,
    _charge: Charge,
}

impl QueryClient {
    /// Creates a client for the run that `page` belongs to.
    #[must_use]
    pub fn new(page: Arc<Page>) -> Self {
        let permits = Semaphore::new(usize::try_from(MAX_CONCURRENT_QUERIES).unwrap_or(usize::MAX));
        Self {
            page,
            permits,
            settings: None,
        }
    }

    /// Uses the check's own name servers: the machine's files are ignored, and names are queried as written. If
    /// `servers` is empty, the machine's servers are used.
    #[must_use]
    pub(crate) fn with_servers(self, servers: Vec<SocketAddr>) -> Self {
        let current = || LookupConfig {
            settings: ResolverSettings::servers(servers.clone()),
            owner: ServerOwner::Check,
            hosts: Arc::default(),
        };
        Self {
            settings: (!servers.is_empty()).then(|| Arc::new(current())),
            ..self
        }
    }

    /// The configuration of its lookups.
    pub(super) fn current(&self, source: &ConfigSource) -> Arc<LookupConfig> {
        self.settings.clone().unwrap_or_else(|| source.current())
    }

    pub(super) fn check(&self) -> CheckId {
        self.page.owner().check.clone()
    }

    /// The plugin's name in a pool; the service's name for an internal service.
    pub(super) fn plugin(&self) -> Arc<str> {
        let owner = self.page.owner();
        match &owner.run {
            Some(run) => Arc::clone(&run.plugin),
            None => (&owner.check).into(),
        }
    }

    /// The conversation in which the servers' responses are recorded, if requested.
    pub(super) fn conversation(&self) -> Option<&Conversation> {
        self.page.recorder().conversation()
    }

    /// Waits for the run's other queries, if necessary.
    pub(super) async fn acquire(&self) -> Result<QueryPermit<'_>, NetError> {
        let permit = self.permits.acquire().await.map_err(closed)?;
        if let Some(charge) = self.page.try_charge() {
            return Ok(QueryPermit {
                _permit: permit,
                _charge: charge,
            });
        }
        // Another query of the run may hold the missing descriptor: once none is running, the quota decides.
        drop(permit);
        let all = self
            .permits
            .acquire_many(MAX_CONCURRENT_QUERIES)
            .await
            .map_err(closed)?;
        Ok(QueryPermit {
            _permit: all,
            _charge: self.page.charge()?,
        })
    }

    /// Starts waiting for an exchange.
    pub(super) fn begin_wait(&self, progress: Arc<Progress>) -> ExchangeWait<'_> {
        ExchangeWait {
            page: &self.page,
            progress: Some(progress),
        }
    }
}

fn closed(error: tokio::sync::AcquireError) -> NetError {
    NetError::Other(error.to_string())
}

/// A wait for an exchange. If the run times out before any server was queried, no server is to blame.
#[derive(Debug)]
pub(super) struct ExchangeWait<'a> {
    page: &'a Page,
    /// `None` once there is an answer.
    progress: Option<Arc<Progress>>,
}

impl ExchangeWait<'_> {
    pub(super) fn end(mut self) {
        self.progress = None;
    }
}

impl Drop for ExchangeWait<'_> {
    fn drop(&mut self) {
        if self
            .progress
            .as_ref()
            .is_some_and(|progress| !progress.has_begun())
        {
            self.page.record_shortage(Shortage::Dns);
        }
    }
}
