//! The DNS service: names to addresses, for all runs, on descriptors and limits of its own.
//!
//! A lookup is polled by the run that wants it. When that run ends, the lookup's sockets close with it.

mod settings;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::sync::Semaphore;

pub use settings::ResolverSettings;

use super::dns::wire;
use super::{Family, NetError};
use crate::grant::DnsName;
use crate::ledger::{Ledger, Page, PageOwner};
use crate::quota::Quota;
use crate::record::Recorder;
use crate::redact::Secrets;
use settings::{Current, Source, SystemFiles};

/// Lookups that go on at once, over all runs; further ones wait.
const CONCURRENT_LOOKUPS: usize = 64;
/// Names tried for one lookup, the search list included.
const NAMES_TRIED: usize = 8;

/// Resolves names for all runs.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    page: Arc<Page>,
    permits: Semaphore,
}

impl Resolver {
    /// A resolver that goes by `/etc/resolv.conf` and `/etc/hosts`, as they are at the time. Its sockets are
    /// entered in the ledger under the name `dns`.
    #[must_use]
    pub fn system(ledger: &Arc<Ledger>) -> Self {
        let files = SystemFiles::new("/etc/resolv.conf".into(), "/etc/hosts".into());
        Self::of(Source::System(files), ledger)
    }

    /// A resolver with settings of its own, which knows no host by file.
    #[must_use]
    pub fn new(settings: ResolverSettings, ledger: &Arc<Ledger>) -> Self {
        let current = Current {
            settings,
            hosts: hickory_resolver::Hosts::default(),
        };
        Self::of(Source::Fixed(Arc::new(current)), ledger)
    }

    fn of(source: Source, ledger: &Arc<Ledger>) -> Self {
        let sockets = 4 * CONCURRENT_LOOKUPS as u64;
        let quota = Quota {
            sockets,
            fds: sockets,
            connections: u64::MAX,
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            ..Quota::default()
        };
        let owner = PageOwner::service("dns");
        Self {
            source,
            page: ledger.open_page(owner, quota, Recorder::new(Secrets::default(), quota.record)),
            permits: Semaphore::new(CONCURRENT_LOOKUPS),
        }
    }

    /// The addresses of a name, IPv6 first where both exist, never empty.
    ///
    /// Cancellation: dropping the future closes its sockets.
    ///
    /// # Errors
    /// `Unresolved` with the servers' answer, or why none came.
    pub async fn resolve(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let current = self.source.current();
        let mut answer = NetError::Unresolved(format!("`{name}` is not a DNS name"));
        for candidate in candidates(name, &current.settings)?.into_iter().take(NAMES_TRIED) {
            match self.addresses(&current, candidate, family).await {
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
    pub async fn query(
        &self,
        name: &DnsName,
        kind: RecordType,
        server: Option<SocketAddr>,
    ) -> Result<Message, NetError> {
        let mut settings = self.source.current().settings.clone();
        settings.servers = server.map_or(settings.servers, |server| vec![server]);
        let query = Query::query(absolute(name)?, kind);
        let _permit = self.permit().await?;
        self.ask(&settings, &query).await
    }

    async fn addresses(
        &self,
        current: &Current,
        name: Name,
        family: Family,
    ) -> Result<Vec<IpAddr>, NetError> {
        let of = |kind| self.addresses_of(current, Query::query(name.clone(), kind));
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

    async fn addresses_of(&self, current: &Current, query: Query) -> Result<Vec<IpAddr>, NetError> {
        if let Some(known) = known(current, &query) {
            return Ok(known);
        }
        let _permit = self.permit().await?;
        let reply = self.ask(&current.settings, &query).await?;
        match reply.metadata.response_code {
            // A stub resolver's server follows aliases itself: the addresses at the end are all in the answer.
            ResponseCode::NoError => Ok(reply
                .answers
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect()),
            code => Err(NetError::Unresolved(format!(
                "`{}`: {}",
                shown(query.name()),
                wire::code_word(code)
            ))),
        }
    }

    /// Asks one server after the other until one answers for good.
    async fn ask(&self, settings: &ResolverSettings, query: &Query) -> Result<Message, NetError> {
        let servers = &settings.servers;
        let mut last = NetError::Unresolved("no DNS server is configured".to_owned());
        for _ in 0..settings.attempts {
            for server in servers {
                let exchange = wire::exchange(&self.page, *server, query);
                last = match tokio::time::timeout(settings.timeout, exchange).await {
                    Ok(Ok(reply)) if is_final(reply.metadata.response_code) || servers.len() == 1 => {
                        return Ok(reply);
                    }
                    Ok(Ok(reply)) => {
                        let code = wire::code_word(reply.metadata.response_code);
                        NetError::Unresolved(format!("`{}`: {code}", shown(query.name())))
                    }
                    // No other server is asked with what is not there, and none of them is to blame.
                    Ok(Err(NetError::HostExhausted)) => return Err(NetError::HostExhausted),
                    Ok(Err(error)) => NetError::Unresolved(format!("DNS server {server}: {error}")),
                    Err(_) => NetError::Unresolved(format!("DNS server {server} does not answer")),
                };
            }
        }
        Err(last)
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, NetError> {
        self.permits
            .acquire()
            .await
            .map_err(|closed| NetError::Other(closed.to_string()))
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

/// Whether another server could not know better.
fn is_final(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
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
