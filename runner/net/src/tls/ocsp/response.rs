//! Parses OCSP responses (RFC 6960, section 4.2.1) as far as they are used. Contents are borrowed.

use aws_lc_rs::digest::{self, Algorithm, digest};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::tls::der::{
    BIT_STRING, ENUMERATED, Element, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, PART_0,
    Reader, SEQUENCE,
};

/// Maximum number of single responses, and of included certificates, that are examined.
const MAX_RESPONSES: usize = 16;
const MAX_CERTIFICATES: usize = 8;

/// The supported response type: `id-pkix-ocsp-basic`.
const BASIC: &str = "1.3.6.1.5.5.7.48.1.1";
/// Context-specific tags of the certificate status.
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;
const UNKNOWN: u8 = 0x82;

/// A basic OCSP response.
#[derive(Debug)]
pub(super) struct OcspResponse<'a> {
    /// The signed part.
    pub(super) signed: &'a [u8],
    /// Including its parameters.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) singles: Vec<SingleResponse<'a>>,
    /// DER of the included certificates.
    pub(super) certificates: Vec<&'a [u8]>,
}

/// The response for one certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct SingleResponse<'a> {
    id: Id<'a>,
    pub(super) status: Status,
    /// Unix seconds.
    pub(super) from: i64,
    /// Unix seconds; `None` if newer responses are always available.
    pub(super) until: Option<i64>,
}

/// Identifies a certificate by its serial number, and by hashes of its issuer's name and key.
#[derive(Debug, Clone, Copy)]
struct Id<'a> {
    /// `None` if the algorithm is unsupported here.
    hash: Option<&'static Algorithm>,
    issuer_name: &'a [u8],
    issuer_key: &'a [u8],
    serial: &'a [u8],
}

/// The status of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Good,
    Revoked {
        /// Unix seconds.
        at: i64,
        /// The revocation reason, as numbered in RFC 5280, section 5.3.1.
        reason: Option<u8>,
    },
    Unknown,
}

/// Why a response contains no basic response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OcspError {
    /// It is malformed or of another type.
    Malformed,
    /// The responder returned this error status.
    Refused(u8),
}

impl<'a> OcspResponse<'a> {
    /// Parses a response.
    pub(super) fn parse(response: &'a [u8]) -> Result<Self, OcspError> {
        let mut response = Reader(response).only(SEQUENCE).ok_or(OcspError::Malformed)?;
        match response.take(ENUMERATED).map(|status| status.content) {
            Some([0]) => {}
            Some([status]) => return Err(OcspError::Refused(*status)),
            _ => return Err(OcspError::Malformed),
        }
        Self::basic(response).ok_or(OcspError::Malformed)
    }

    fn basic(mut response: Reader<'a>) -> Option<Self> {
        let mut bytes = response.only(PART_0)?.only(SEQUENCE)?;
        let kind = bytes.take(OBJECT_IDENTIFIER)?.oid()?;
        let mut basic = bytes.only(OCTET_STRING)?.only(SEQUENCE)?;
        let data = basic.take(SEQUENCE)?;
        let algorithm = basic.take(SEQUENCE)?.content;
        // The first byte is the number of unused bits, which is 0 for a signature.
        let signature = basic.take(BIT_STRING)?.content.strip_prefix(&[0])?;
        let certificates = match basic.0 {
            [] => Vec::new(),
            _ => certificates(basic.only(PART_0)?)?,
        };
        let answer = Self {
            signed: data.whole,
            algorithm,
            signature,
            singles: singles(Reader(data.content))?,
            certificates,
        };
        (kind.to_id_string() == BASIC).then_some(answer)
    }
}

fn singles(mut data: Reader<'_>) -> Option<Vec<SingleResponse<'_>>> {
    data.take(PART_0); // the version
    data.any()?; // who answers
    data.take(GENERALIZED_TIME)?; // when
    let mut list = data.within(SEQUENCE)?;
    let mut singles = Vec::new();
    while let Some(single) = list.within(SEQUENCE).filter(|_| singles.len() < MAX_RESPONSES) {
        singles.push(self::single(single)?);
    }
    Some(singles)
}

fn single(mut single: Reader<'_>) -> Option<SingleResponse<'_>> {
    let id = id(single.within(SEQUENCE)?);
    let status = single.any()?;
    let status = match status.tag() {
        GOOD => Status::Good,
        REVOKED => revoked(Reader(status.content))?,
        UNKNOWN => Status::Unknown,
        _ => return None,
    };
    let from = time(single.take(GENERALIZED_TIME)?)?;
    let until = match single.within(PART_0) {
        Some(mut until) => Some(time(until.take(GENERALIZED_TIME)?)?),
        None => None,
    };
    Some(SingleResponse {
        id: id?,
        status,
        from,
        until,
    })
}

fn id(mut id: Reader<'_>) -> Option<Id<'_>> {
    let hash = id.within(SEQUENCE)?.take(OBJECT_IDENTIFIER)?.oid()?;
    Some(Id {
        hash: self::hash(&hash.to_id_string()),
        issuer_name: id.take(OCTET_STRING)?.content,
        issuer_key: id.take(OCTET_STRING)?.content,
        serial: id.only(INTEGER)?.0,
    })
}

/// Hash algorithms used by responders. SHA-1 is acceptable here, since the response is signed by the issuer.
fn hash(id: &str) -> Option<&'static Algorithm> {
    match id {
        "1.3.14.3.2.26" => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        "2.16.840.1.101.3.4.2.1" => Some(&digest::SHA256),
        "2.16.840.1.101.3.4.2.2" => Some(&digest::SHA384),
        "2.16.840.1.101.3.4.2.3" => Some(&digest::SHA512),
        _ => None,
    }
}

impl SingleResponse<'_> {
    /// Whether it concerns a certificate of an issuer.
    pub(super) fn is_about(&self, leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
        let Some(algorithm) = self.id.hash else {
            return false;
        };
        let is = |hash: &[u8], of: &[u8]| digest(algorithm, of).as_ref() == hash;
        self.id.serial == leaf.raw_serial()
            && is(self.id.issuer_name, leaf.issuer().as_raw())
            && is(self.id.issuer_key, &issuer.public_key().subject_public_key.data)
    }
}

fn revoked(mut info: Reader<'_>) -> Option<Status> {
    let at = time(info.take(GENERALIZED_TIME)?)?;
    let reason = info.within(PART_0).and_then(|mut reason| reason.take(ENUMERATED));
    let reason = reason.and_then(|reason| reason.content.first().copied());
    Some(Status::Revoked { at, reason })
}

fn certificates(mut part: Reader<'_>) -> Option<Vec<&[u8]>> {
    let mut list = part.only(SEQUENCE)?;
    let certificates = std::iter::from_fn(|| list.take(SEQUENCE).map(|certificate| certificate.whole));
    Some(certificates.take(MAX_CERTIFICATES).collect())
}

fn time(element: Element<'_>) -> Option<i64> {
    let (_, time) = ASN1Time::from_der(element.whole).ok()?;
    Some(time.timestamp())
}
