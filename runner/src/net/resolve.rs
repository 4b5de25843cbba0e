//! The DNS service: names to addresses, for all runs, on descriptors and limits of its own.
//!
//! A lookup is polled by the runs that want it. When the last of them ends, the lookup's sockets close with it.

mod asker;
mod exchange;
mod families;
mod flight;
mod names;
mod schedule;
mod servers;
mod settings;
#[cfg(test)]
pub(crate) mod simulated;
mod words;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt as _;
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

pub use asker::Asker;
pub use settings::{NameFiles, ResolverSettings};

use super::dns::response::Response;
use super::dns::wire;
use super::{Family, NetError};
use crate::grant::DnsName;
use crate::ledger::Ledger;
use crate::liveness::Registry;
use exchange::{Answered, Question, Service};
pub use families::Patience;
use families::{Asked, Found};
use flight::Flights;
use names::wire_name;
use schedule::Party;
use settings::{Current, Hosts, Source, SystemFiles, Whose};

/// Resolves names for all runs.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    service: Arc<Service>,
    flights: Flights<Question, Answered>,
}

/// What a name resolved to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// IPv6 first where both exist, never empty.
    pub addresses: Vec<IpAddr>,
    /// No family was left out because there was no answer about it.
    pub is_complete: bool,
}

impl Resolved {
    /// All that there is.
    #[must_use]
    pub const fn complete(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            is_complete: true,
        }
    }
}

impl Resolver {
    /// A resolver that goes by `/etc/resolv.conf` and `/etc/hosts`, as they are at the time. Its sockets are
    /// entered in the ledger under the name `dns`. Waits a second at most for the files to be read; whoever reads them
    /// for longer is seen in `liveness`.
    #[must_use]
    pub fn system(ledger: &Arc<Ledger>, liveness: &Registry) -> Self {
        let files = SystemFiles::read("/etc/resolv.conf".into(), "/etc/hosts".into(), liveness);
        Self::of(Source::System(files), ledger)
    }

    /// The files that it goes by.
    #[must_use]
    pub fn files(&self) -> NameFiles {
        self.source.files()
    }

    /// A resolver with settings of its own, which knows no host by file.
    #[must_use]
    pub fn new(settings: ResolverSettings, ledger: &Arc<Ledger>) -> Self {
        let current = Current {
            settings,
            whose: Whose::Machine,
            hosts: Arc::default(),
        };
        Self::of(Source::Fixed(Arc::new(current)), ledger)
    }

    fn of(source: Source, ledger: &Arc<Ledger>) -> Self {
        Self {
            source,
            service: Arc::new(Service::new(ledger)),
            flights: Flights::new(),
        }
    }

    /// The addresses of a name: those of the hosts file, where it has the name as it is written, or what the name servers
    /// say of it and of the names that the search list makes of it.
    ///
    /// Cancellation: dropping the future closes its sockets, unless another run waits for the same answer.
    ///
    /// # Errors
    /// `Unresolved` with the servers' answer, or why none came; `DnsBusy` or a quota where nobody was asked.
    pub async fn resolve(
        &self,
        asker: &Asker,
        name: &str,
        family: Family,
        patience: Patience,
    ) -> Result<Resolved, NetError> {
        let current = asker.current(&self.source);
        if let Some(known) = known(&current.hosts, name, family) {
            return Ok(Resolved::complete(known));
        }
        let mut failed = None;
        let mut is_searched_on = true;
        for candidate in names::candidates(name, &current.settings) {
            if candidate.is_searched && !is_searched_on {
                continue;
            }
            let asked = (family, patience);
            match self.addresses(asker, &current, candidate.name, asked).await {
                Ok(addresses) => return Ok(addresses),
                Err(Miss::Nobody(error)) => return Err(error),
                Err(miss) => {
                    is_searched_on &= !matches!(miss, Miss::Final(_));
                    // Of the names that are tried, people know the one that they wrote.
                    if failed.is_none() || !candidate.is_searched {
                        failed = Some(miss.into());
                    }
                }
            }
        }
        let too_long = || NetError::Unresolved(format!("`{name}` is longer than DNS allows"));
        Err(failed.unwrap_or_else(too_long))
    }

    /// One question to the resolver's own servers, or to `server`.
    ///
    /// # Errors
    /// No server answered, or the name or kind makes no sense.
    pub(in crate::net) async fn query(
        &self,
        asker: &Asker,
        name: &DnsName,
        kind: RecordType,
        server: Option<SocketAddr>,
    ) -> Result<Arc<Response>, NetError> {
        let asked = wire_name(name.as_str())
            .ok_or_else(|| NetError::Invalid(format!("`{name}` is longer than DNS allows")))?;
        let query = Query::query(asked, kind);
        let current = asker.current(&self.source);
        let question = match server {
            None => Question::for_records(&current, query),
            Some(server) => Question::to_server(server, &current, query),
        };
        self.ask(asker, question).await
    }

    async fn addresses(
        &self,
        asker: &Asker,
        current: &Current,
        name: Name,
        (family, patience): (Family, Patience),
    ) -> Result<Resolved, Miss> {
        let settings = &current.settings;
        let of = |kind| self.addresses_of(asker, current, Query::query(name.clone(), kind));
        let (v6, v4) = match family.without_preference() {
            Family::V6 if settings.no_aaaa => (None, None),
            Family::V6 => (Some(of(RecordType::AAAA).await), None),
            Family::Any if !settings.no_aaaa => {
                families::both(of(RecordType::AAAA), of(RecordType::A), patience).await
            }
            _ => (None, Some(of(RecordType::A).await)),
        };
        let is_complete = match family.without_preference() {
            Family::Any if !settings.no_aaaa => [&v6, &v4].into_iter().all(is_known),
            _ => true,
        };
        let answers = [v6, v4].into_iter().flatten().collect();
        Ok(Resolved {
            addresses: judge(answers, &name, family)?,
            is_complete,
        })
    }

    async fn addresses_of(&self, asker: &Asker, current: &Current, query: Query) -> Asked {
        let reply = self.ask(asker, Question::for_addresses(current, query)).await?;
        Ok(match reply.code {
            // A stub resolver's server follows aliases itself: the addresses at the end are all in the answer.
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

    /// Asks, together with all who ask the same at the time. The sockets are the service's; the quota of each run
    /// that waits is charged for them.
    async fn ask(&self, asker: &Asker, question: Question) -> Answered {
        let _turn = asker.turn().await?;
        let flight = self.flights.join(&question, |progress| {
            let party = Party {
                whose: question.whose(),
                destination: question.destination(),
                check: asker.check(),
                plugin: asker.plugin(),
            };
            Arc::clone(&self.service)
                .ask(question.clone(), party, progress)
                .boxed()
        });
        if let Some(conversation) = asker.conversation() {
            flight.progress.note_in(conversation);
        }
        let waits = asker.waits(flight.progress);
        let answer = flight.exchange.await;
        waits.end();
        answer
    }
}

/// Why a name has no addresses.
enum Miss {
    /// The next domain of the search list may have them.
    Next(NetError),
    /// The search list ends here, as it does in glibc.
    Final(NetError),
    /// The host or the run could ask nobody.
    Nobody(NetError),
}

impl From<Miss> for NetError {
    fn from(miss: Miss) -> Self {
        let (Miss::Next(error) | Miss::Final(error) | Miss::Nobody(error)) = miss;
        error
    }
}

/// Whether it is certain which addresses of one family there are.
fn is_known(answer: &Option<Asked>) -> bool {
    matches!(answer, Some(Ok(Found::Addresses(_) | Found::NoSuchName)))
}

/// The addresses of all answers, or what is worst among these.
fn judge(answers: Vec<Asked>, name: &Name, family: Family) -> Result<Vec<IpAddr>, Miss> {
    let unresolved = |why: &str| NetError::Unresolved(format!("`{}`{why}", shown(name)));
    let mut addresses = Vec::new();
    let mut miss = Miss::Next(unresolved(&format!(" has no {family} address")));
    let mut exists = true;
    // What one family misses matters only where neither has addresses.
    for answer in answers {
        match answer {
            Ok(Found::Addresses(found)) => addresses.extend(found),
            Ok(Found::NoSuchName) => exists = false,
            Ok(Found::Failed(code)) => {
                let error = unresolved(&format!(": {}", wire::code_word(code)));
                miss = match code {
                    ResponseCode::ServFail => Miss::Next(error),
                    _ => Miss::Final(error),
                };
            }
            Err(error @ NetError::Unresolved(_)) => miss = Miss::Final(error),
            Err(error) => miss = Miss::Nobody(error),
        }
    }
    match (addresses.is_empty(), exists, &miss) {
        (false, ..) => Ok(addresses),
        (true, false, Miss::Next(_) | Miss::Final(_)) => Err(Miss::Next(unresolved(": NXDOMAIN"))),
        (true, ..) => Err(miss),
    }
}

/// As people write it, without the dot at the end.
fn shown(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// What is known without a question.
fn known(hosts: &Hosts, name: &str, family: Family) -> Option<Vec<IpAddr>> {
    let listed = hosts.addresses(name, family);
    if !listed.is_empty() {
        return Some(listed);
    }
    is_localhost(name).then(|| loopback(family))
}

/// RFC 6761: these names never leave the host. glibc asks name servers for them, but for `localhost` in the hosts file.
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
