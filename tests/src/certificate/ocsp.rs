//! OCSP responses (RFC 6960, section 4.2.1) for test certificates.
#![expect(
    clippy::expect_used,
    reason = "an answer that cannot be made must fail its test"
)]

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rcgen::SigningKey;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::{Authority, Certificate};

/// `ecdsa-with-SHA256`.
const ECDSA: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// A DER null. No structure here ends with one, so appending it makes a response malformed.
const TAIL: &[u8] = &[5, 0];
/// `id-pkix-ocsp-basic`.
const BASIC: &[u8] = &[6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 1];

/// The certificate status in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It is good.
    Good,
    /// It is revoked, for a reason by its number in RFC 5280, section 5.3.1.
    Revoked(Option<u8>),
    /// The responder does not know it.
    Unknown,
}

/// The hash algorithm that identifies the issuer in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, which nearly every responder uses.
    Sha1,
    /// SHA-256, which some responders use.
    Sha256,
    /// By an identifier that no algorithm has.
    Unknown,
}

impl Hash {
    fn identifier(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &[0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0],
            Self::Sha256 => &[0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0],
            Self::Unknown => &[0x30, 6, 6, 2, 0x2a, 3, 5, 0],
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 | Self::Unknown => &SHA256,
        };
        digest(algorithm, bytes).as_ref().to_vec()
    }
}

/// Builder for an OCSP response.
pub struct Ocsp<'a> {
    authority: &'a Authority,
    hash: Hash,
    /// The issuer name and key that are hashed.
    issuer: (Vec<u8>, Vec<u8>),
    /// The structure that gets trailing bytes, counted from the outermost.
    tail: Option<usize>,
    serial: Vec<u8>,
    status: Revocation,
    now: i64,
    lasts: (i64, i64),
    delegate: Option<&'a Certificate>,
}

impl<'a> Ocsp<'a> {
    /// Starts a response from the authority for a certificate: good, valid from a day before `now` to a day after.
    #[must_use]
    pub fn new(authority: &'a Authority, certificate: &CertificateDer<'_>, now: i64) -> Self {
        Self {
            authority,
            hash: Hash::Sha1,
            issuer: issuer(authority.der()).expect("a certificate has a name and a key"),
            tail: None,
            serial: serial(certificate).expect("a certificate has a serial number"),
            status: Revocation::Good,
            now,
            lasts: (-86_400, 86_400),
            delegate: None,
        }
    }

    /// Identifies the issuer with another hash algorithm.
    #[must_use]
    pub fn hashed_with(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// Identifies an issuer with another name.
    #[must_use]
    pub fn of_another_name(mut self) -> Self {
        self.issuer.0.push(0);
        self
    }

    /// Identifies an issuer with another key.
    #[must_use]
    pub fn of_another_key(mut self) -> Self {
        self.issuer.1.push(0);
        self
    }

    /// Appends trailing bytes to a structure that is not signed; the outermost is 1, the innermost 4.
    #[must_use]
    pub fn with_a_tail_in(mut self, part: usize) -> Self {
        self.tail = Some(part);
        self
    }

    /// Sets the certificate status.
    #[must_use]
    pub fn status(mut self, status: Revocation) -> Self {
        self.status = status;
        self
    }

    /// Sets the reference time that validity is relative to.
    #[must_use]
    pub fn at(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    /// Sets the validity as seconds relative to the reference time.
    #[must_use]
    pub fn lasting(mut self, from: i64, until: i64) -> Self {
        self.lasts = (from, until);
        self
    }

    /// Signs with the key of a delegate certificate, which is included.
    #[must_use]
    pub fn signed_by(mut self, delegate: &'a Certificate) -> Self {
        self.delegate = Some(delegate);
        self
    }

    /// Encodes the response.
    #[must_use]
    pub fn answer(&self) -> Vec<u8> {
        let data = self.data();
        let signed = match self.delegate {
            Some(delegate) => delegate.key.sign(&data),
            None => self.authority.issuer.key().sign(&data),
        };
        let signature = der(3, &[&[0], signed.expect("a key signs").as_slice()]);
        let certificates = self.delegate.map(|delegate| {
            let chain = delegate.chain();
            let leaf = chain.first().expect("a chain has a leaf");
            der(0xa0, &[&der(0x30, &[leaf])])
        });
        let tail = |part| if self.tail == Some(part) { TAIL } else { &[] };
        let certificates = certificates.unwrap_or_default();
        let basic = der(0x30, &[&data, ECDSA, &signature, &certificates, tail(4)]);
        let bytes = der(0x30, &[BASIC, &der(4, &[&basic]), tail(3)]);
        let bytes = der(0xa0, &[&bytes, tail(2)]);
        der(0x30, &[&[0x0a, 1, 0], &bytes, tail(1)])
    }

    fn data(&self) -> Vec<u8> {
        let (name, key) = &self.issuer;
        let of = |bytes: &[u8]| der(4, &[&self.hash.digest(bytes)]);
        let serial = der(2, &[&self.serial]);
        let id = der(0x30, &[self.hash.identifier(), &of(name), &of(key), &serial]);
        let status = match self.status {
            Revocation::Good => der(0x80, &[]),
            Revocation::Unknown => der(0x82, &[]),
            Revocation::Revoked(reason) => {
                let reason = reason.map(|number| der(0xa0, &[&[0x0a, 1, number]]));
                der(0xa1, &[&generalized_time(self.now), &reason.unwrap_or_default()])
            }
        };
        let (from, until) = self.lasts;
        let until = der(0xa0, &[&generalized_time(self.now + until)]);
        let single = der(0x30, &[&id, &status, &generalized_time(self.now + from), &until]);
        let responder = der(0xa2, &[&of(key)]);
        der(
            0x30,
            &[&responder, &generalized_time(self.now), &der(0x30, &[&single])],
        )
    }
}

fn generalized_time(unix: i64) -> Vec<u8> {
    let moment = OffsetDateTime::from_unix_timestamp(unix).expect("a date of this age");
    let (hour, minute, second) = moment.to_hms();
    let (year, month, day) = moment.to_calendar_date();
    let month = u8::from(month);
    let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    der(0x18, &[text.as_bytes()])
}

/// Encodes a DER element with this content.
pub(super) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len())
        .expect("a short element")
        .to_be_bytes();
    let length: &[u8] = match length {
        [0, short @ 0..=127] => &[short],
        [0, one] => &[0x81, one],
        [first, second] => &[0x82, first, second],
    };
    [&[tag], length, &content].concat()
}

/// Splits consecutive DER elements into tag, whole element and content.
pub(super) fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8], &[u8])> {
    let mut elements = Vec::new();
    while let Some((tag, header, length)) = head(bytes) {
        let (Some(whole), Some(rest)) = (bytes.get(..header + length), bytes.get(header + length..)) else {
            break;
        };
        elements.push((tag, whole, whole.get(header..).unwrap_or_default()));
        bytes = rest;
    }
    elements
}

fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    match *bytes {
        [tag, short @ 0..=127, ..] => Some((tag, 2, short.into())),
        [tag, 0x81, one, ..] => Some((tag, 3, one.into())),
        [tag, 0x82, first, second, ..] => Some((tag, 4, u16::from_be_bytes([first, second]).into())),
        _ => None,
    }
}

/// The subject of a certificate, and the bits of its key.
fn issuer(certificate: &CertificateDer<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, _, certificate) = *elements(certificate).first()?;
    let (_, _, signed) = *elements(certificate).first()?;
    // The version, the number, the algorithm, the issuer, the dates, the subject, and the key.
    let elements = elements(signed);
    let (_, subject, _) = *elements.get(5)?;
    let (_, _, key) = *elements.get(6)?;
    let (_, _, bits) = *self::elements(key).get(1)?;
    // The first byte says how many bits are unused.
    Some((subject.to_vec(), bits.get(1..)?.to_vec()))
}

/// The content of a certificate's serial number.
fn serial(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, _, certificate) = *elements(certificate).first()?;
    let (_, _, signed) = *elements(certificate).first()?;
    let elements = elements(signed);
    let (_, _, serial) = elements.iter().find(|(tag, ..)| *tag == 2)?;
    Some(serial.to_vec())
}
