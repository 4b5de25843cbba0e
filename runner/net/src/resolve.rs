//! The DNS resolver shared by all runs, with its own descriptors and limits.
//!
//! A query is polled by the runs that wait for it. When the last of them ends, the query's sockets are closed.

mod exchange;
mod families;
mod messages;
mod names;
mod query_client;
mod scheduler;
mod servers;
mod settings;
#[cfg(any(test, feature = "test-util"))]
pub mod simulated;
mod single_flight;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt as _;
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

pub use query_client::QueryClient;
pub use settings::{NameFiles, ResolverSettings};

use super::dns::client;
use super::dns::response::Response;
use super::{Family, NetError};
use crate::ledger::Ledger;
use canary_suite::grant::DnsName;
use canary_system::liveness::Registry;
use exchange::{QueryResult, QueryService, Question};
pub use families::LookupMode;
use families::{FamilyResult, Found};
use names::wire_name;
use scheduler::QueryOrigin;
use settings::{ConfigSource, Hosts, LookupConfig, ServerOwner, SystemFiles};
use single_flight::SingleFlight;

/// Resolves names for all runs.
#[derive(Debug)]
pub struct Resolver {
    source: ConfigSource,
    service: Arc<QueryService>,
    in_flight: SingleFlight<Question, QueryResult>,
}

/// The addresses of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Never empty; IPv6 first if there are both.
    pub addresses: Vec<IpAddr>,
    /// False if one family is missing because its query was not answered in time.
    pub is_complete: bool,
}

impl Resolved {
    /// A complete result.
    #[must_use]
    pub const fn complete(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            is_complete: true,
        }
    }
}

impl Resolver {
    /// Creates a resolver that uses the current contents of `/etc/resolv.conf` and `/etc/hosts`. Its sockets are
    /// registered in the ledger under the name `dns`. Waits up to one second for the files to be read; a longer read is
    /// visible in `liveness`.
    #[must_use]
    pub fn system(ledger: &Arc<Ledger>, liveness: &Registry) -> Self {
        let files = SystemFiles::read("/etc/resolv.conf".into(), "/etc/hosts".into(), liveness);
        Self::from_source(ConfigSource::System(files), ledger)
    }

    /// The files that configure it.
    #[must_use]
    pub fn files(&self) -> NameFiles {
        self.source.files()
    }

    /// Creates a resolver with fixed settings and no hosts file.
    #[must_use]
    pub fn new(settings: ResolverSettings, ledger: &Arc<Ledger>) -> Self {
        let current = LookupConfig {
            settings,
            owner: ServerOwner::Machine,
            hosts: Arc::default(),
        };
        Self::from_source(ConfigSource::Fixed(Arc::new(current)), ledger)
    }

    fn from_source(source: ConfigSource, ledger: &Arc<Ledger>) -> Self {
        Self {
            source,
            service: Arc::new(QueryService::new(ledger)),
            in_flight: SingleFlight::new(),
        }
    }

    /// Resolves a name: from the hosts file, if it contains the name as written, or from the name servers, which are
    /// queried for the name and for the names that the search list derives from it.
    ///
    /// Cancellation: dropping the future closes its sockets, unless another run waits for the same response.
    ///
    /// # Errors
    /// `Unresolved` with the servers' response or the reason why there is none; `DnsBusy` or a quota if no server was
    /// queried.
    pub async fn resolve(
        &self,
        query_client: &QueryClient,
        name: &str,
        family: Family,
        mode: LookupMode,
    ) -> Result<Resolved, NetError> {
        let current = query_client.current(&self.source);
        if let Some(local_answer) = local_answer(&current.hosts, name, family) {
            return Ok(Resolved::complete(local_answer));
        }
        let mut failed = None;
        let mut is_searched_on = true;
        for candidate in names::candidates(name, &current.settings) {
            if candidate.is_searched && !is_searched_on {
                continue;
            }
            let preferences = (family, mode);
            match self
                .addresses(query_client, &current, candidate.name, preferences)
                .await
            {
                Ok(addresses) => return Ok(addresses),
                Err(LookupFailure::NotQueried(error)) => return Err(error),
                Err(miss) => {
                    is_searched_on &= !matches!(miss, LookupFailure::Final(_));
                    // Report the error for the name as the user wrote it, if possible.
                    if failed.is_none() || !candidate.is_searched {
                        failed = Some(miss.into());
                    }
                }
            }
        }
        let too_long = || NetError::Unresolved(format!("`{name}` is longer than DNS allows"));
        Err(failed.unwrap_or_else(too_long))
    }

    /// Sends one query to the resolver's own servers, or to `server`.
    ///
    /// # Errors
    /// No server answered, or the name or type is invalid.
    pub(crate) async fn query(
        &self,
        query_client: &QueryClient,
        name: &DnsName,
        kind: RecordType,
        server: Option<SocketAddr>,
    ) -> Result<Arc<Response>, NetError> {
        let wire_name = wire_name(name.as_str())
            .ok_or_else(|| NetError::Invalid(format!("`{name}` is longer than DNS allows")))?;
        let query = Query::query(wire_name, kind);
        let current = query_client.current(&self.source);
        let question = match server {
            None => Question::for_records(&current, query),
            Some(server) => Question::to_server(server, &current, query),
        };
        self.query_shared(query_client, question).await
    }

    async fn addresses(
        &self,
        query_client: &QueryClient,
        current: &LookupConfig,
        name: Name,
        (family, mode): (Family, LookupMode),
    ) -> Result<Resolved, LookupFailure> {
        let settings = &current.settings;
        let of = |kind| self.addresses_of(query_client, current, Query::query(name.clone(), kind));
        let (v6, v4) = match family.without_preference() {
            Family::V6 if settings.no_aaaa => (None, None),
            Family::V6 => (Some(of(RecordType::AAAA).await), None),
            Family::Any if !settings.no_aaaa => {
                families::query_both(of(RecordType::AAAA), of(RecordType::A), mode).await
            }
            _ => (None, Some(of(RecordType::A).await)),
        };
        let is_complete = match family.without_preference() {
            Family::Any if !settings.no_aaaa => [&v6, &v4].into_iter().all(is_certain),
            _ => true,
        };
        let answers = [v6, v4].into_iter().flatten().collect();
        Ok(Resolved {
            addresses: merge_answers(answers, &name, family)?,
            is_complete,
        })
    }

    async fn addresses_of(
        &self,
        query_client: &QueryClient,
        current: &LookupConfig,
        query: Query,
    ) -> FamilyResult {
        let reply = self
            .query_shared(query_client, Question::for_addresses(current, query))
            .await?;
        Ok(match reply.code {
            // The name server follows aliases for a stub resolver: the response contains all final addresses.
            ResponseCode::NoError => Found::Addresses(
                reply
                    .answers
                    .iter()
                    .filter_map(|record| record.data.ip_addr())
                    .collect(),
            ),
            ResponseCode::NXDomain => Found::NoSuchName,
            code => Found::Failed(code),
        })
    }

    /// Queries the name servers, sharing one query with all runs that ask the same question at the time. The sockets
    /// belong to the query service; they are charged to the quota of each waiting run.
    async fn query_shared(&self, query_client: &QueryClient, question: Question) -> QueryResult {
        let _permit = query_client.acquire().await?;
        let shared = self.in_flight.join(&question, |progress| {
            let origin = QueryOrigin {
                owner: question.owner(),
                destination: question.destination(),
                check: query_client.check(),
                plugin: query_client.plugin(),
            };
            Arc::clone(&self.service)
                .query(question.clone(), origin, progress)
                .boxed()
        });
        if let Some(conversation) = query_client.conversation() {
            shared.progress.add_conversation(conversation);
        }
        let wait = query_client.begin_wait(shared.progress);
        let answer = shared.exchange.await;
        wait.end();
        answer
    }
}

/// Why a name has no addresses.
enum LookupFailure {
    /// The next domain of the search list is tried.
    Next(NetError),
    /// The search ends here, as in glibc.
    Final(NetError),
    /// The host or the run could not send a query.
    NotQueried(NetError),
}

impl From<LookupFailure> for NetError {
    fn from(miss: LookupFailure) -> Self {
        let (LookupFailure::Next(error) | LookupFailure::Final(error) | LookupFailure::NotQueried(error)) =
            miss;
        error
    }
}

/// Whether the addresses of a family are known for certain.
fn is_certain(answer: &Option<FamilyResult>) -> bool {
    matches!(answer, Some(Ok(Found::Addresses(_) | Found::NoSuchName)))
}

/// Merges the answers for all families; returns the addresses, or the most severe failure.
fn merge_answers(
    answers: Vec<FamilyResult>,
    name: &Name,
    family: Family,
) -> Result<Vec<IpAddr>, LookupFailure> {
    let unresolved = |why: &str| NetError::Unresolved(format!("`{}`{why}", display_name(name)));
    let mut addresses = Vec::new();
    let mut miss = LookupFailure::Next(unresolved(&format!(" has no {family} address")));
    let mut exists = true;
    // A missing answer for one family only matters if there are no addresses at all.
    for answer in answers {
        match answer {
            Ok(Found::Addresses(found)) => addresses.extend(found),
            Ok(Found::NoSuchName) => exists = false,
            Ok(Found::Failed(code)) => {
                let error = unresolved(&format!(": {}", client::rcode_name(code)));
                miss = match code {
                    ResponseCode::ServFail => LookupFailure::Next(error),
                    _ => LookupFailure::Final(error),
                };
            }
            Err(error @ NetError::Unresolved(_)) => miss = LookupFailure::Final(error),
            Err(error) => miss = LookupFailure::NotQueried(error),
        }
    }
    match (addresses.is_empty(), exists, &miss) {
        (false, ..) => Ok(addresses),
        (true, false, LookupFailure::Next(_) | LookupFailure::Final(_)) => {
            Err(LookupFailure::Next(unresolved(": NXDOMAIN")))
        }
        (true, ..) => Err(miss),
    }
}

/// The name as users write it, without the trailing dot.
fn display_name(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// The answer that is known without a query.
fn local_answer(hosts: &Hosts, name: &str, family: Family) -> Option<Vec<IpAddr>> {
    let listed = hosts.addresses(name, family);
    if !listed.is_empty() {
        return Some(listed);
    }
    is_localhost(name).then(|| loopback(family))
}

/// RFC 6761: these names are never sent to a server. glibc queries them, except for `localhost` in the hosts file.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

fn loopback(family: Family) -> Vec<IpAddr> {
    [IpAddr::from(Ipv6Addr::LOCALHOST), Ipv4Addr::LOCALHOST.into()]
        .into_iter()
        .filter(|address| family.admits(*address))
        .collect()
}

#[cfg(test)]
mod tests;
