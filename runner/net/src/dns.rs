//! DNS queries by plugins.

pub(super) mod client;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod presentation;
pub(super) mod response;

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::bounded::{EndpointText, HostText, Token};
use super::{Client, NetError, Phase, timeout_phase};
use canary_record::Section;
use canary_record::trace::{Lookup, StepKind};
use canary_suite::grant::{Destination, DnsName, GrantError, Scheme, Via};
use presentation::Presentation;
use response::{MAX_RECORDS, Response};
use tokio::time::Instant;

/// Record types that can be queried: zone data, but not zone transfers and no protocol meta types.
const QUERYABLE_TYPES: [RecordType; 26] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::CAA,
    RecordType::CDNSKEY,
    RecordType::CDS,
    RecordType::CERT,
    RecordType::CNAME,
    RecordType::DNSKEY,
    RecordType::DS,
    RecordType::HINFO,
    RecordType::HTTPS,
    RecordType::MX,
    RecordType::NAPTR,
    RecordType::NS,
    RecordType::NSEC,
    RecordType::NSEC3PARAM,
    RecordType::OPENPGPKEY,
    RecordType::PTR,
    RecordType::RRSIG,
    RecordType::SMIMEA,
    RecordType::SOA,
    RecordType::SRV,
    RecordType::SSHFP,
    RecordType::SVCB,
    RecordType::TLSA,
    RecordType::TXT,
];

/// A DNS question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name to query.
    pub name: HostText,
    /// The record type, such as `A` or `MX`.
    pub kind: Token,
    /// `ADDRESS:PORT`; if `None`, the name servers of the check or the host's resolver.
    pub server: Option<EndpointText>,
}

/// A resource record in a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRecord {
    /// The owner name.
    pub name: String,
    /// The record type, such as `A` or `MX`.
    pub kind: String,
    /// In seconds.
    pub ttl: u32,
    /// In presentation format.
    pub data: String,
}

/// A DNS response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The response code, such as `NOERROR`.
    pub code: String,
    /// The server is authoritative for the zone.
    pub authoritative: bool,
    /// The server reports that it verified DNSSEC.
    pub authenticated: bool,
    /// The answer section.
    pub answers: Vec<ResourceRecord>,
    /// The authority section.
    pub authorities: Vec<ResourceRecord>,
    /// Time from question to response.
    pub duration: Duration,
}

impl Client {
    /// Sends one DNS query to the host's resolver or to a granted server. The name must be granted in either case,
    /// because it leaves the machine.
    ///
    /// # Errors
    /// The quota `lookups`, the grants, the deadline, no response, or `Protocol` for more than 256 records or 64 KiB of
    /// text.
    pub async fn query(&self, question: &Question) -> Result<Reply, NetError> {
        let kind = record_type(question.kind.as_str())?;
        let name = DnsName::parse(question.name.as_str()).map_err(invalid)?;
        self.grants
            .check_lookup(&name)
            .map_err(|denial| self.deny(&denial))?;
        let server = self.granted_server(question.server.as_ref())?;
        if server.is_none() {
            self.check_name_servers()?;
        }
        self.page.count_lookup()?;
        let asked_at = Instant::now();
        let limit = self.deadline_after(None);
        let lookup = Lookup {
            name: self.page.recorder().host(Section::Trail, name.to_string()),
            addresses: Vec::new(),
        };
        let step = self.page().begin_step(StepKind::Lookup(lookup), limit);
        let reply = async {
            let query = self
                .services
                .resolver
                .query(&self.query_client, &name, kind, server);
            let response = query.await?;
            Reply::new(&response, asked_at.elapsed()).await
        };
        let reply = timeout_phase(limit, Phase::Resolve, reply).await;
        step.end(reply.as_ref().err().map(NetError::code_and_message));
        reply
    }

    fn granted_server(&self, server: Option<&EndpointText>) -> Result<Option<SocketAddr>, NetError> {
        let Some(text) = server.map(|text| text.as_str()) else {
            return Ok(None);
        };
        let server: SocketAddr = text
            .parse()
            .map_err(|_| NetError::Invalid(format!("`{text}` is not ADDRESS:PORT")))?;
        if matches!(server, SocketAddr::V6(v6) if v6.scope_id() != 0) {
            return Err(NetError::Invalid(format!(
                "`{text}` has a zone, which grants do not support"
            )));
        }
        let destination =
            Destination::new(Scheme::Tcp, &server.ip().to_string(), server.port()).map_err(invalid)?;
        self.grants
            .check_address(&destination, server.ip(), Via::Direct, &self.services.blocked)
            .map_err(|denial| self.deny(&denial))?;
        Ok(Some(server))
    }
}

impl Reply {
    async fn new(response: &Response, duration: Duration) -> Result<Self, NetError> {
        if response.has_excess_records {
            let error = format!("the answer has more than {MAX_RECORDS} records");
            return Err(NetError::Protocol(error));
        }
        let mut presentation = Presentation::new();
        Ok(Self {
            code: client::rcode_name(response.code),
            authoritative: response.is_authoritative,
            authenticated: response.is_authenticated,
            answers: presentation.section(&response.answers).await?,
            authorities: presentation.section(&response.authorities).await?,
            duration,
        })
    }
}

fn record_type(text: &str) -> Result<RecordType, NetError> {
    let parsed = text.to_ascii_uppercase().parse().ok();
    parsed
        .filter(|kind| QUERYABLE_TYPES.contains(kind))
        .ok_or_else(|| NetError::Invalid(format!("`{text}` is not a supported record type")))
}

fn invalid(error: GrantError) -> NetError {
    NetError::Invalid(error.to_string())
}
