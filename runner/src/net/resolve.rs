//! The DNS service: names to addresses, for all runs, on descriptors and limits of its own.
//!
//! A lookup is polled by the run that wants it. When that run ends, the lookup's sockets close with it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::Hosts;
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::Semaphore;

use super::dns::wire;
use super::{Family, NetError};
use crate::ledger::{Ledger, Page, PageOwner};
use crate::quota::Quota;
use crate::suite::CheckId;

/// Lookups that go on at once, over all runs; further ones wait.
const CONCURRENT_LOOKUPS: usize = 64;
/// The longest that one server may take to answer one question.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Names tried for one lookup, the search list included.
const NAMES_TRIED: usize = 8;

/// Which servers are asked, and how.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// In the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains appended to short names.
    pub search: Vec<Name>,
    /// A name with at least this many dots is tried as it is first.
    pub ndots: usize,
    /// For one answer of one server.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: usize,
}

impl ResolverSettings {
    /// What the operating system is set to (`/etc/resolv.conf`); the local host when it names no server.
    #[must_use]
    pub fn system() -> Self {
        let Ok((config, options)) = read_system_conf() else {
            return Self::servers(vec![SocketAddr::from(([127, 0, 0, 1], 53))]);
        };
        let mut servers: Vec<_> = config
            .name_servers
            .iter()
            .map(|server| {
                SocketAddr::new(
                    server.ip,
                    server.connections.first().map_or(53, |first| first.port),
                )
            })
            .collect();
        servers.dedup();
        Self {
            search: config.domain.into_iter().chain(config.search).collect(),
            ndots: options.ndots,
            timeout: options.timeout.min(LONGEST_WAIT),
            attempts: options.attempts.clamp(1, 5),
            servers,
        }
    }

    /// These servers, no search list, two rounds of 2 s.
    #[must_use]
    pub fn servers(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(2),
            attempts: 2,
        }
    }
}

/// Resolves names for all runs.
#[derive(Debug)]
pub struct Resolver {
    settings: ResolverSettings,
    hosts: Hosts,
    page: Arc<Page>,
    permits: Semaphore,
}

impl Resolver {
    /// A resolver whose sockets are entered in the ledger under the name `dns`.
    #[must_use]
    pub fn new(settings: ResolverSettings, ledger: &Arc<Ledger>) -> Self {
        let sockets = 4 * CONCURRENT_LOOKUPS as u64;
        let quota = Quota {
            sockets,
            fds: sockets,
            connections: u64::MAX,
            bytes_in: u64::MAX,
            bytes_out: u64::MAX,
            ..Quota::default()
        };
        let owner = PageOwner {
            check: CheckId::new("dns"),
            attempt: 1,
        };
        Self {
            settings,
            // No hosts file is the same as an empty one.
            hosts: Hosts::from_system().unwrap_or_default(),
            page: ledger.open_page(owner, quota),
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
        let mut answer = NetError::Unresolved(format!("`{name}` is not a DNS name"));
        for candidate in self.candidates(name)?.into_iter().take(NAMES_TRIED) {
            match self.addresses(candidate, family).await {
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
        name: &str,
        kind: RecordType,
        server: Option<SocketAddr>,
    ) -> Result<Message, NetError> {
        let query = Query::query(parse(name)?, kind);
        let _permit = self.permit().await?;
        self.ask(&query, server).await
    }

    fn candidates(&self, name: &str) -> Result<Vec<Name>, NetError> {
        let parsed = parse(name)?;
        if name.ends_with('.') {
            return Ok(vec![parsed]);
        }
        let dots = name.bytes().filter(|byte| *byte == b'.').count();
        let mut absolute = parsed.clone();
        absolute.set_fqdn(true);
        let searched = self
            .settings
            .search
            .iter()
            .filter_map(|domain| parsed.clone().append_domain(domain).ok());
        Ok(match dots >= self.settings.ndots {
            true => std::iter::once(absolute).chain(searched).collect(),
            false => searched.chain(std::iter::once(absolute.clone())).collect(),
        })
    }

    async fn addresses(&self, name: Name, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let of = |kind| self.addresses_of(Query::query(name.clone(), kind));
        let (v6, v4) = match family {
            Family::V4 => (Ok(Vec::new()), of(RecordType::A).await),
            Family::V6 => (of(RecordType::AAAA).await, Ok(Vec::new())),
            Family::Any => join(of(RecordType::AAAA), of(RecordType::A)).await,
        };
        match (v6, v4) {
            (Ok(mut both), Ok(v4)) => {
                both.extend(v4);
                let none = || NetError::Unresolved(format!("`{name}` has no {family} address"));
                if both.is_empty() { Err(none()) } else { Ok(both) }
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (_, Err(error)) | (Err(error), _) => Err(error),
        }
    }

    async fn addresses_of(&self, query: Query) -> Result<Vec<IpAddr>, NetError> {
        if let Some(known) = self.hosts.lookup_static_host(&query) {
            return Ok(known
                .answers()
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect());
        }
        if is_localhost(query.name()) {
            return Ok(loopback(query.query_type()));
        }
        let _permit = self.permit().await?;
        let reply = self.ask(&query, None).await?;
        match reply.metadata.response_code {
            // A stub resolver's server follows aliases itself: the addresses at the end are all in the answer.
            ResponseCode::NoError => Ok(reply
                .answers
                .iter()
                .filter_map(|record| record.data.ip_addr())
                .collect()),
            code => Err(NetError::Unresolved(format!(
                "`{}`: {}",
                query.name(),
                wire::code_word(code)
            ))),
        }
    }

    /// Asks one server after the other until one answers for good.
    async fn ask(&self, query: &Query, server: Option<SocketAddr>) -> Result<Message, NetError> {
        let servers = match &server {
            Some(server) => std::slice::from_ref(server),
            None => self.settings.servers.as_slice(),
        };
        let mut last = NetError::Unresolved("no DNS server is configured".to_owned());
        for _ in 0..self.settings.attempts {
            for server in servers {
                let exchange = wire::exchange(&self.page, *server, query);
                last = match tokio::time::timeout(self.settings.timeout, exchange).await {
                    Ok(Ok(reply)) if is_final(reply.metadata.response_code) || servers.len() == 1 => {
                        return Ok(reply);
                    }
                    Ok(Ok(reply)) => {
                        let code = wire::code_word(reply.metadata.response_code);
                        NetError::Unresolved(format!("`{}`: {code}", query.name()))
                    }
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

fn parse(name: &str) -> Result<Name, NetError> {
    Name::from_utf8(name).map_err(|error| NetError::Invalid(format!("`{name}` is not a DNS name: {error}")))
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
