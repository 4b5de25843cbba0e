//! The DNS service: names to addresses, for all runs, on descriptors and limits of its own.
//!
//! A lookup is polled by the runs that want it. When the last of them ends, the lookup's sockets close with it.

mod asker;
mod exchange;
mod flight;
mod schedule;
mod servers;
mod settings;
#[cfg(test)]
pub(crate) mod simulated;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join;
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
use flight::Flights;
use schedule::Party;
use settings::{Current, Source, SystemFiles};

/// Names tried for one lookup, the search list included.
const NAMES_TRIED: usize = 8;

/// Resolves names for all runs.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    service: Arc<Service>,
    flights: Flights<Question, Answered>,
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

    /// The addresses of a name, IPv6 first where both exist, never empty.
    ///
    /// Cancellation: dropping the future closes its sockets, unless another run waits for the same answer.
    ///
    /// # Errors
    /// `Unresolved` with the servers' answer, or why none came; `DnsBusy` or a quota where nobody was asked.
    pub async fn resolve(&self, asker: &Asker, name: &str, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let current = self.source.current();
        let mut answer = NetError::Unresolved(format!("`{name}` is not a DNS name"));
        for candidate in candidates(name, &current.settings)?.into_iter().take(NAMES_TRIED) {
            match self.addresses(asker, &current, candidate, family).await {
                Ok(addresses) => return Ok(addresses),
                Err(error) => answer = error,
            }
        }
        Err(answer)
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
        let query = Query::query(absolute(name)?, kind);
        let current = self.source.current();
        let question = match server {
            None => Question::to_own_servers(&current.settings, query),
            Some(server) => Question::to_server(server, &current.settings, query),
        };
        self.ask(asker, question).await
    }

    async fn addresses(
        &self,
        asker: &Asker,
        current: &Current,
        name: Name,
        family: Family,
    ) -> Result<Vec<IpAddr>, NetError> {
        let of = |kind| self.addresses_of(asker, current, Query::query(name.clone(), kind));
        let (v6, v4) = match family {
            Family::V4 => (Ok(Vec::new()), of(RecordType::A).await),
            Family::V6 => (of(RecordType::AAAA).await, Ok(Vec::new())),
            Family::Any => join(of(RecordType::AAAA), of(RecordType::A)).await,
        };
        match (v6, v4) {
            (Ok(mut both), Ok(v4)) => {
                both.extend(v4);
                let none = || NetError::Unresolved(format!("`{}` has no {family} address", shown(&name)));
                if both.is_empty() { Err(none()) } else { Ok(both) }
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (_, Err(error)) | (Err(error), _) => Err(error),
        }
    }

    async fn addresses_of(
        &self,
        asker: &Asker,
        current: &Current,
        query: Query,
    ) -> Result<Vec<IpAddr>, NetError> {
        if let Some(known) = known(current, &query) {
            return Ok(known);
        }
        let name = shown(query.name());
        let reply = self
            .ask(asker, Question::to_own_servers(&current.settings, query))
            .await?;
        match reply.code {
            // A stub resolver's server follows aliases itself: the addresses at the end are all in the answer.
            ResponseCode::NoError => Ok(reply
                .answers
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect()),
            code => Err(NetError::Unresolved(format!(
                "`{name}`: {}",
                wire::code_word(code)
            ))),
        }
    }

    /// Asks, together with all who ask the same at the time. The sockets are the service's; the quota of each run
    /// that waits is charged for them.
    async fn ask(&self, asker: &Asker, question: Question) -> Answered {
        let _turn = asker.turn().await?;
        let flight = self.flights.join(&question, |progress| {
            let party = Party {
                zone: question.zone(),
                check: asker.check(),
                plugin: asker.plugin(),
            };
            Arc::clone(&self.service)
                .ask(question.clone(), party, progress)
                .boxed()
        });
        let waits = asker.waits(flight.progress);
        let answer = flight.exchange.await;
        waits.end();
        answer
    }
}

/// As people write it, without the dot at the end.
fn shown(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn parse(name: &str) -> Result<Name, NetError> {
    Name::from_utf8(name).map_err(|error| NetError::Invalid(format!("`{name}` is not a DNS name: {error}")))
}

fn absolute(name: &DnsName) -> Result<Name, NetError> {
    parse(&name.to_string()).map(|mut name| {
        name.set_fqdn(true);
        name
    })
}

/// The names to try for one, in order: as it is, and with each domain of the search list behind it.
fn candidates(name: &str, settings: &ResolverSettings) -> Result<Vec<Name>, NetError> {
    let parsed = parse(name)?;
    if name.ends_with('.') {
        return Ok(vec![parsed]);
    }
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let mut absolute = parsed.clone();
    absolute.set_fqdn(true);
    if is_localhost(&absolute) {
        return Ok(vec![absolute]);
    }
    let searched = settings
        .search
        .iter()
        .filter_map(|domain| parsed.clone().append_domain(domain).ok());
    Ok(match dots >= settings.ndots {
        true => std::iter::once(absolute).chain(searched).collect(),
        false => searched.chain(std::iter::once(absolute.clone())).collect(),
    })
}

/// What is known without a question: a name that the hosts file has for either family is not asked for at all.
fn known(current: &Current, query: &Query) -> Option<Vec<IpAddr>> {
    let listed = |kind| {
        current
            .hosts
            .lookup_static_host(&Query::query(query.name().clone(), kind))
    };
    let (v4, v6) = (listed(RecordType::A), listed(RecordType::AAAA));
    if v4.is_some() || v6.is_some() {
        let wanted = if query.query_type() == RecordType::A {
            v4
        } else {
            v6
        };
        let addresses = wanted.into_iter().flat_map(|found| {
            found
                .answers()
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect::<Vec<_>>()
        });
        return Some(addresses.collect());
    }
    is_localhost(query.name()).then(|| loopback(query.query_type()))
}

/// RFC 6761: these names never leave the host.
fn is_localhost(name: &Name) -> bool {
    name.iter()
        .next_back()
        .is_some_and(|label| label.eq_ignore_ascii_case(b"localhost"))
}

fn loopback(kind: RecordType) -> Vec<IpAddr> {
    match kind {
        RecordType::A => vec![IpAddr::from([127, 0, 0, 1])],
        _ => vec![IpAddr::from(std::net::Ipv6Addr::LOCALHOST)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str) -> Vec<String> {
        let settings = ResolverSettings {
            search: vec![Name::from_utf8("corp.test.").unwrap()],
            ndots: 5,
            ..ResolverSettings::servers(Vec::new())
        };
        let names = candidates(name, &settings).unwrap();
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_short_name_is_searched_for_but_not_one_of_the_local_host() {
        assert_eq!(tried("db"), ["db.corp.test.", "db."]);
        assert_eq!(tried("localhost"), ["localhost."]);
        assert_eq!(tried("secret.localhost"), ["secret.localhost."]);
    }
}
