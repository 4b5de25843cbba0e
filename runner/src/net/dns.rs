//! DNS questions as a plugin asks them.

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod presentation;
pub(super) mod response;
pub(super) mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::bounded::{HostText, PlaceText, Word};
use super::{Client, NetError, Phase, within};
use crate::grant::{Destination, DnsName, GrantError, Scheme, Via};
use crate::record::Part;
use crate::trace::{Lookup, StepKind};
use presentation::Presentation;
use response::{RECORDS, Response};
use tokio::time::Instant;

/// What may be asked for: records of a zone, not transfers of one, and nothing that serves the protocol itself.
const KINDS: [RecordType; 26] = [
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

/// What a plugin asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name that it is about.
    pub name: HostText,
    /// Such as `A` or `MX`.
    pub kind: Word,
    /// `ADDRESS:PORT`; absent: the name servers of the check, or the host's resolver.
    pub server: Option<PlaceText>,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Owner name.
    pub name: String,
    /// Such as `A` or `MX`.
    pub kind: String,
    /// Seconds.
    pub ttl: u32,
    /// In presentation format.
    pub data: String,
}

/// What a server replied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Such as `NOERROR`.
    pub code: String,
    /// The server owns the zone.
    pub authoritative: bool,
    /// The server says that it verified DNSSEC.
    pub authenticated: bool,
    /// The answer section.
    pub answers: Vec<Answer>,
    /// The authority section.
    pub authorities: Vec<Answer>,
    /// From question to answer.
    pub duration: Duration,
}

impl Client {
    /// Asks one DNS question, of the host's resolver or of a granted server. The name must be granted in either
    /// case: it is what leaves the machine.
    ///
    /// # Errors
    /// The quota `lookups`, the grants, the deadline, that nobody answered, or `Protocol` for more than 256 records or
    /// 64 KiB of text.
    pub async fn query(&self, question: &Question) -> Result<Reply, NetError> {
        let kind = record_type(question.kind.as_str())?;
        let name = DnsName::parse(question.name.as_str()).map_err(invalid)?;
        self.grants
            .look_up(&name)
            .map_err(|denial| self.ungranted(&denial))?;
        let server = self.granted_server(question.server.as_ref())?;
        if server.is_none() {
            self.judge_name_servers()?;
        }
        self.page.count_lookup()?;
        let asked_at = Instant::now();
        let limit = self.limit(None);
        let asked = Lookup {
            name: self.page.recorder().text(Part::Trail, name.to_string()),
            addresses: Vec::new(),
        };
        let step = self.page().begin(StepKind::Lookup(asked), limit);
        let reply = async {
            let query = self.shared.resolver.query(&self.asker, &name, kind, server);
            let response = query.await?;
            Reply::new(&response, asked_at.elapsed()).await
        };
        let reply = within(limit, Phase::Resolve, reply).await;
        step.end(reply.as_ref().err().map(NetError::told));
        reply
    }

    fn granted_server(&self, server: Option<&PlaceText>) -> Result<Option<SocketAddr>, NetError> {
        let Some(text) = server.map(|text| text.as_str()) else {
            return Ok(None);
        };
        let server: SocketAddr = text
            .parse()
            .map_err(|_| NetError::Invalid(format!("`{text}` is not ADDRESS:PORT")))?;
        if matches!(server, SocketAddr::V6(v6) if v6.scope_id() != 0) {
            return Err(NetError::Invalid(format!(
                "`{text}` has a zone, which no grant can name"
            )));
        }
        let destination =
            Destination::new(Scheme::Tcp, &server.ip().to_string(), server.port()).map_err(invalid)?;
        self.grants
            .address(&destination, server.ip(), Via::Direct, &self.shared.blocked)
            .map_err(|denial| self.ungranted(&denial))?;
        Ok(Some(server))
    }
}

impl Reply {
    async fn new(response: &Response, duration: Duration) -> Result<Self, NetError> {
        if response.is_cut {
            let error = format!("the answer has more than {RECORDS} records");
            return Err(NetError::Protocol(error));
        }
        let mut presentation = Presentation::new();
        Ok(Self {
            code: wire::code_word(response.code),
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
        .filter(|kind| KINDS.contains(kind))
        .ok_or_else(|| NetError::Invalid(format!("`{text}` is not a record type that can be asked for")))
}

fn invalid(error: GrantError) -> NetError {
    NetError::Invalid(error.to_string())
}
