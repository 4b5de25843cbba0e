//! The host's network clients: every connection that a check uses is opened, metered, timed and closed here.
//!
//! Nothing here depends on wasm, spawns a task or uses the blocking pool: each operation is one future, and dropping it
//! closes its sockets synchronously. The sockets are leases on the run's page.

mod body_progress;
pub mod bounded;
pub mod carrier;
pub mod check;
pub mod connect;
mod dial;
pub mod dns;
mod error;
mod family;
pub mod http;
pub mod ledger;
pub mod pool;
pub mod resolve;
pub mod stream;
pub mod tcp;
pub mod tls;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub use error::{NetError, Phase};
pub use family::Family;
pub use http::EnvironmentProxies;

use crate::ledger::Page;
use canary_record::Section;
use canary_record::trace::propagation::Propagation;
use canary_record::trace::{Lookup, StepKind, TraceContext};
use canary_suite::grant::{Destination, Grants, Host, NameDecision, Networks, Via};
use connect::ConnectOptions;
use resolve::{LookupMode, QueryClient, Resolved, Resolver};
use tls::TrustStore;

/// Network services shared by all runs.
#[derive(Debug)]
pub struct NetServices {
    /// The DNS resolver.
    pub resolver: Resolver,
    /// Networks that the operator blocks for all checks.
    pub blocked: Networks,
    /// Roots for verifying certificates when the plugin provides none.
    pub trust: TrustStore,
    /// How a request propagates its run's trace, if the check enables that.
    pub propagation: Propagation,
    /// Proxies for requests that use the proxies of the environment.
    pub proxies: EnvironmentProxies,
}

/// Time spent in each phase; `None` for a phase that did not happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the name.
    pub resolve: Option<Duration>,
    /// The TCP connect.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub handshake: Option<Duration>,
    /// Writing the request.
    pub send: Option<Duration>,
    /// From the last byte sent to the first byte received.
    pub wait: Option<Duration>,
    /// Reading the response.
    pub receive: Option<Duration>,
}

/// Network access for one attempt. Clones differ only in their deadline.
#[derive(Clone)]
pub struct Client {
    access: Arc<RunAccess>,
    deadline: Instant,
}

/// Everything that an attempt needs to use the network, except for its deadline.
pub struct RunAccess {
    services: Arc<NetServices>,
    page: Arc<Page>,
    grants: Grants,
    trace: TraceContext,
    query_client: QueryClient,
    /// Names resolved in this run. An answer is pinned for the whole run, so that a name cannot pass the grants with
    /// one address and connect to another. Bounded by the quota `lookups`.
    pins: Mutex<HashMap<(String, Family), Resolved>>,
}

impl Deref for Client {
    type Target = RunAccess;

    fn deref(&self) -> &RunAccess {
        &self.access
    }
}

impl Client {
    /// Creates a client whose operations all end by `deadline` and whose sockets are leases on `page`.
    #[must_use]
    pub fn new(
        shared: Arc<NetServices>,
        page: Arc<Page>,
        grants: Grants,
        deadline: Instant,
        trace: TraceContext,
    ) -> Self {
        // If one of them is blocked, nothing is looked up.
        let name_servers = grants.name_servers(&shared.blocked).unwrap_or_default();
        let access = RunAccess {
            query_client: QueryClient::new(Arc::clone(&page)).with_servers(name_servers),
            services: shared,
            page,
            grants,
            trace,
            pins: Mutex::default(),
        };
        Self {
            access: Arc::new(access),
            deadline,
        }
    }

    /// A clone whose operations end by `moment`, if that is earlier than the current deadline.
    #[must_use]
    pub fn with_deadline(&self, moment: Option<Instant>) -> Self {
        Self {
            access: Arc::clone(&self.access),
            deadline: moment.map_or(self.deadline, |moment| moment.min(self.deadline)),
        }
    }

    /// A clone whose operations end within `time` from now, if that is earlier than the current deadline.
    #[must_use]
    pub fn with_timeout(&self, time: Option<Duration>) -> Self {
        self.with_deadline(Some(self.deadline_after(time)))
    }

    /// The page on which this client's sockets are registered.
    #[must_use]
    pub fn page(&self) -> &Arc<Page> {
        &self.page
    }

    /// The deadline of an operation with its own time limit.
    #[must_use]
    pub(crate) fn deadline_after(&self, limit: Option<Duration>) -> Instant {
        let own = limit.and_then(|limit| Instant::now().checked_add(limit));
        own.map_or(self.deadline, |own| own.min(self.deadline))
    }

    /// The addresses of a granted destination to connect to, pinned for the run. A name that can only be granted by its
    /// address is resolved first and checked afterwards.
    async fn addresses(
        &self,
        destination: &Destination,
        via: Via,
        options: ConnectOptions,
        limit: Instant,
    ) -> Result<Vec<IpAddr>, NetError> {
        self.check_name(destination, via)?;
        let preferences = (options.family, LookupMode::FirstUsable);
        if let (Host::Address(address), Via::Direct) = (destination.host(), via)
            && !options.family.admits(*address)
        {
            self.page.record_own_failure();
        }
        let found = self.resolve(destination, preferences, limit).await?;
        let mut denied = None;
        let allowed: Vec<IpAddr> = options
            .filter_addresses(found.addresses)?
            .into_iter()
            .filter(|address| {
                let decision = self
                    .grants
                    .check_address(destination, *address, via, &self.services.blocked);
                let allowed = decision.is_ok();
                denied = decision.err().or(denied.take());
                allowed
            })
            .collect();
        match denied {
            Some(denial) if allowed.is_empty() => Err(self.deny(&denial)),
            _ => Ok(allowed),
        }
    }

    /// Accepts a name that can only be granted by its address.
    fn check_name(&self, destination: &Destination, via: Via) -> Result<(), NetError> {
        match self.grants.check_name(destination, via) {
            NameDecision::Denied(denial) => Err(self.deny(&denial)),
            NameDecision::Granted | NameDecision::ByAddress => Ok(()),
        }
    }

    /// Checks that the check's own name servers may be queried.
    fn check_name_servers(&self) -> Result<(), NetError> {
        let decision = self.grants.name_servers(&self.services.blocked);
        decision.map(drop).map_err(|denial| self.deny(&denial))
    }

    /// The error for a destination or name that is not granted. It is counted, so that it is not mistaken for a failure
    /// of the target.
    fn deny(&self, denial: &impl fmt::Display) -> NetError {
        self.page.record_ungranted();
        self.page.recorder().note(|| format!("refused: {denial}"));
        NetError::Denied(denial.to_string())
    }

    async fn resolve(
        &self,
        destination: &Destination,
        (family, mode): (Family, LookupMode),
        limit: Instant,
    ) -> Result<Resolved, NetError> {
        let name = match destination.host() {
            Host::Name(_) => destination.name_to_resolve().unwrap_or_default(),
            Host::Address(address) if family.admits(*address) => {
                return Ok(Resolved::complete(vec![*address]));
            }
            Host::Address(address) => {
                return Err(NetError::Unresolved(format!(
                    "`{address}` is not an {family} address"
                )));
            }
        };
        let family = family.without_preference();
        let key = (name, family);
        if let Some(pinned) = self.pins.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(pinned.clone());
        }
        self.page.count_lookup()?;
        let found = self.lookup(&key.0, (family, mode), limit).await?;
        self.pins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, found.clone());
        Ok(found)
    }

    /// Queries the DNS resolver, and records the lookup as a step.
    async fn lookup(
        &self,
        name: &str,
        (family, mode): (Family, LookupMode),
        limit: Instant,
    ) -> Result<Resolved, NetError> {
        self.check_name_servers()?;
        let lookup = Lookup {
            name: self.page.recorder().host(Section::Trail, name),
            addresses: Vec::new(),
        };
        let mut step = self.page.begin_step(StepKind::Lookup(lookup), limit);
        let resolving = self
            .services
            .resolver
            .resolve(&self.query_client, name, family, mode);
        let found = resolving.await;
        if let (Some(StepKind::Lookup(lookup)), Ok(found)) = (step.kind(), &found) {
            let recorder = self.page.recorder();
            let addresses = found.addresses.iter().take(MAX_RECORDED_ADDRESSES);
            lookup.addresses = addresses.map(|address| recorder.address(*address)).collect();
        }
        step.end(found.as_ref().err().map(NetError::code_and_message));
        found
    }
}

/// Maximum number of resolved addresses recorded per lookup.
const MAX_RECORDED_ADDRESSES: usize = 16;

/// Runs one phase with a deadline; any error names the phase.
async fn timeout_phase<T>(
    limit: Instant,
    phase: Phase,
    step: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let ended = timeout_at(limit, step)
        .await
        .unwrap_or(Err(NetError::Timeout(phase)));
    ended.map_err(|error| error.in_phase(phase))
}
