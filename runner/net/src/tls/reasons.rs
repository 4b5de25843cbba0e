//! The reasons why a peer's certificates are not trusted.

use std::fmt::{self, Display, Formatter};

/// Maximum number of reasons per chain.
const MAX_REASONS: usize = 16;

/// One fault of a peer's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The kind of fault.
    pub code: ReasonCode,
    /// A message for humans.
    pub message: String,
    /// Index of the certificate in the peer's chain, the leaf being 0; `None` if the reason concerns no certificate, or
    /// one that was not sent.
    pub certificate: Option<u32>,
}

impl Reason {
    pub(super) fn new(code: ReasonCode, certificate: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            certificate,
        }
    }
}

/// The kind of a certificate fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The leaf is self-signed.
    SelfSigned,
    /// The chain ends in a root that is not trusted.
    UnknownRoot,
    /// The certificate of an issuer was not sent, and is not a trusted root.
    MissingIssuer,
    /// No path leads to a trusted root, for another reason.
    NoPath,
    /// The certificate is not valid for this name.
    WrongName,
    /// A key is too short, or of an unsupported type.
    WeakKey,
    /// A signature algorithm is insecure or unsupported.
    WeakSignature,
    /// A signature was not made by the named issuer.
    BadSignature,
    /// A certificate is not permitted for servers.
    WrongPurpose,
    /// The issuer of a certificate is not an authority.
    NotAnAuthority,
    /// The leaf is a CA certificate.
    AuthorityAsLeaf,
    /// An authority's name constraints or path length are violated.
    Constraint,
    /// The issuer has revoked the certificate, or does not know it.
    Revoked,
    /// The certificate requires a stapled OCSP response, and there is no usable one.
    NoStaple,
    /// A certificate is unreadable, or contains something unsupported.
    Malformed,
    /// There are too many certificates or paths.
    TooComplex,
}

impl ReasonCode {
    /// The code in the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::SelfSigned => "self_signed",
            Self::UnknownRoot => "unknown_root",
            Self::MissingIssuer => "missing_issuer",
            Self::NoPath => "no_path",
            Self::WrongName => "wrong_name",
            Self::WeakKey => "weak_key",
            Self::WeakSignature => "weak_signature",
            Self::BadSignature => "bad_signature",
            Self::WrongPurpose => "wrong_purpose",
            Self::NotAnAuthority => "not_an_authority",
            Self::AuthorityAsLeaf => "authority_as_leaf",
            Self::Constraint => "constraint",
            Self::Revoked => "revoked",
            Self::NoStaple => "no_staple",
            Self::Malformed => "malformed",
            Self::TooComplex => "too_complex",
        }
    }
}

/// Reasons in the order in which they were found, without duplicates per certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(Vec<Reason>);

impl Reasons {
    /// Whether there are no faults.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the reasons.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.0.iter()
    }

    /// `Ok` if there are no faults, otherwise all reasons as one text.
    ///
    /// # Errors
    /// There is at least one reason.
    pub fn as_result(&self) -> Result<(), String> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.to_string())
        }
    }

    pub(super) fn push(&mut self, reason: Reason) {
        let is_known = self
            .iter()
            .any(|known| known.code == reason.code && known.certificate == reason.certificate);
        if !is_known && self.0.len() < MAX_REASONS {
            self.0.push(reason);
        }
    }

    pub(super) fn has(&self, codes: &[ReasonCode]) -> bool {
        self.iter().any(|reason| codes.contains(&reason.code))
    }
}

impl Display for Reasons {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", reason.message)?;
        }
        Ok(())
    }
}

/// The source of the error of an aborted handshake.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Untrusted(pub(super) Reasons);
