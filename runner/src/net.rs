//! The host's own clients: every connection that a check uses is opened, metered, timed and closed here.
//!
//! Nothing here knows of wasm, spawns a task or uses the blocking pool: each operation is one future, and dropping
//! it closes its sockets in line. The sockets are leases of the run's page.

pub mod bounded;
pub mod check;
pub mod connect;
pub mod dns;
mod error;
mod family;
pub mod http;
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

use crate::grant::{Destination, Grants, Host, NameDecision, Networks, Via};
use crate::ledger::Page;
use crate::record::Part;
use crate::suite::Secrets;
use crate::trace::propagation::Propagation;
use crate::trace::{Lookup, StepKind, TraceContext};
use connect::ConnectOptions;
use resolve::{Asker, Patience, Resolved, Resolver};
use tls::TrustStore;

/// What all runs share.
#[derive(Debug)]
pub struct Shared {
    /// The DNS service.
    pub resolver: Resolver,
    /// Networks that the operator allows no check to reach.
    pub blocked: Networks,
    /// Roots that a certificate is judged by when the plugin brings none.
    pub trust: TrustStore,
    /// How a request carries its run's trace, where the check asks for that.
    pub propagation: Propagation,
    /// Proxies for requests that ask for those of the environment.
    pub proxies: EnvironmentProxies,
}

/// Time spent in each phase; a phase that did not happen is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Name to addresses.
    pub resolve: Option<Duration>,
    /// The TCP connect.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub handshake: Option<Duration>,
    /// Writing the request.
    pub send: Option<Duration>,
    /// From the last byte sent to the first received.
    pub wait: Option<Duration>,
    /// Reading the answer.
    pub receive: Option<Duration>,
}

/// The network as one attempt may use it. Clones are the same, but for their deadline.
#[derive(Clone)]
pub struct Client {
    access: Arc<Access>,
    deadline: Instant,
}

/// What one attempt has of the network, however long it may use it.
pub struct Access {
    shared: Arc<Shared>,
    page: Arc<Page>,
    grants: Grants,
    /// What must not follow a redirect to another origin.
    secrets: Secrets,
    trace: TraceContext,
    asker: Asker,
    /// Names resolved in this run: an answer holds for the whole run, so that a name cannot pass the grants with
    /// one address and connect to another. Bounded by the quota `lookups`.
    pins: Mutex<HashMap<(String, Family), Resolved>>,
}

impl Deref for Client {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl Client {
    /// A client whose every operation ends by `deadline` and whose sockets are leases on `page`.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        page: Arc<Page>,
        grants: Grants,
        secrets: Secrets,
        deadline: Instant,
        trace: TraceContext,
    ) -> Self {
        // Where one of them is blocked, nothing is looked up.
        let name_servers = grants.name_servers(&shared.blocked).unwrap_or_default();
        let access = Access {
            asker: Asker::new(Arc::clone(&page)).with_servers(name_servers),
            shared,
            page,
            grants,
            secrets,
            trace,
            pins: Mutex::default(),
        };
        Self {
            access: Arc::new(access),
            deadline,
        }
    }

    /// The same, whose every operation ends by this moment, if that is earlier.
    #[must_use]
    pub fn until(&self, moment: Option<Instant>) -> Self {
        Self {
            access: Arc::clone(&self.access),
            deadline: moment.map_or(self.deadline, |moment| moment.min(self.deadline)),
        }
    }

    /// The same, whose every operation ends in so much time from now, if that is earlier.
    #[must_use]
    pub fn within(&self, time: Option<Duration>) -> Self {
        self.until(Some(self.limit(time)))
    }

    /// The account that this client's sockets are entered in.
    #[must_use]
    pub fn page(&self) -> &Arc<Page> {
        &self.page
    }

    /// When an operation with a limit of its own must end.
    #[must_use]
    pub fn limit(&self, limit: Option<Duration>) -> Instant {
        let own = limit.and_then(|limit| Instant::now().checked_add(limit));
        own.map_or(self.deadline, |own| own.min(self.deadline))
    }

    /// The addresses of a granted destination to connect to, pinned for the run. A name that only its address may grant is
    /// resolved first and judged then.
    async fn addresses(
        &self,
        destination: &Destination,
        via: Via,
        options: ConnectOptions,
        limit: Instant,
    ) -> Result<Vec<IpAddr>, NetError> {
        self.judge_name(destination, via)?;
        let asked = (options.family, Patience::Short);
        if let (Host::Address(address), Via::Direct) = (destination.host(), via)
            && !options.family.admits(*address)
        {
            self.page.note_own_failure();
        }
        let found = self.resolve(destination, asked, limit).await?;
        let mut denied = None;
        let allowed: Vec<IpAddr> = options
            .restrict(found.addresses)?
            .into_iter()
            .filter(|address| {
                let judged = self
                    .grants
                    .address(destination, *address, via, &self.shared.blocked);
                let allowed = judged.is_ok();
                denied = judged.err().or(denied.take());
                allowed
            })
            .collect();
        match denied {
            Some(denial) if allowed.is_empty() => Err(self.ungranted(&denial)),
            _ => Ok(allowed),
        }
    }

    /// A name that only its address may grant passes.
    fn judge_name(&self, destination: &Destination, via: Via) -> Result<(), NetError> {
        match self.grants.name(destination, via) {
            NameDecision::Denied(denial) => Err(self.ungranted(&denial)),
            NameDecision::Granted | NameDecision::ByAddress => Ok(()),
        }
    }

    /// The servers that the check names may be asked.
    fn judge_name_servers(&self) -> Result<(), NetError> {
        let judged = self.grants.name_servers(&self.shared.blocked);
        judged.map(drop).map_err(|denial| self.ungranted(&denial))
    }

    /// The refusal of a place or a name that the check has no grant for. It is counted, so that nobody takes it for a
    /// failure of the target.
    fn ungranted(&self, denial: &impl fmt::Display) -> NetError {
        self.page.note_ungranted();
        self.page.recorder().note(|| format!("refused: {denial}"));
        NetError::Denied(denial.to_string())
    }

    async fn resolve(
        &self,
        destination: &Destination,
        (family, patience): (Family, Patience),
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
        let found = self.look_up(&key.0, (family, patience), limit).await?;
        self.pins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, found.clone());
        Ok(found)
    }

    /// One question to the DNS service, as a step of the run's record.
    async fn look_up(
        &self,
        name: &str,
        (family, patience): (Family, Patience),
        limit: Instant,
    ) -> Result<Resolved, NetError> {
        self.judge_name_servers()?;
        let asked = Lookup {
            name: self.page.recorder().text(Part::Trail, name),
            addresses: Vec::new(),
        };
        let mut step = self.page.begin(StepKind::Lookup(asked), limit);
        let resolving = self.shared.resolver.resolve(&self.asker, name, family, patience);
        let found = resolving.await;
        if let (Some(StepKind::Lookup(lookup)), Ok(found)) = (step.kind(), &found) {
            let recorder = self.page.recorder();
            let addresses = found.addresses.iter().take(ADDRESSES_TOLD);
            lookup.addresses = addresses.map(|address| recorder.address(*address)).collect();
        }
        step.end(found.as_ref().err().map(NetError::told));
        found
    }
}

/// Addresses of an answer that a run's record keeps.
const ADDRESSES_TOLD: usize = 16;

/// Bounds one step by `limit`; whatever it ends in, an error names the step's phase.
async fn within<T>(
    limit: Instant,
    phase: Phase,
    step: impl Future<Output = Result<T, NetError>>,
) -> Result<T, NetError> {
    let ended = timeout_at(limit, step)
        .await
        .unwrap_or(Err(NetError::Timeout(phase)));
    ended.map_err(|error| error.during(phase))
}
