//! Why a peer's certificates are not trusted, one by one.

use std::fmt::{self, Display, Formatter};

/// Most reasons that are given for one chain.
const MOST: usize = 16;

/// One thing that is wrong with a peer's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Which kind of thing.
    pub code: ReasonCode,
    /// For a person.
    pub message: String,
    /// The place of the certificate in the chain that the peer sent, the leaf being 0; absent where none is meant, or one
    /// that was not sent.
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

/// A kind of fault in certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// A certificate's time is over.
    Expired,
    /// A certificate's time has not come yet.
    NotYetValid,
    /// The leaf has signed itself.
    SelfSigned,
    /// The chain ends in a root that is not trusted.
    UnknownRoot,
    /// The certificate of an issuer was not sent, and it is no trusted root.
    MissingIssuer,
    /// No path leads to a trusted root, for another reason.
    NoPath,
    /// The certificate is for other names.
    WrongName,
    /// A key is too short, or of a kind that is not supported.
    WeakKey,
    /// A certificate is signed by an algorithm that is not trusted any more, or not supported.
    WeakSignature,
    /// A certificate is not signed by the issuer that it names.
    BadSignature,
    /// The peer did not prove that it holds the certificate's key.
    KeyNotHeld,
    /// A certificate is not meant for servers.
    WrongPurpose,
    /// What has issued a certificate is not an authority.
    NotAnAuthority,
    /// The leaf is an authority's own certificate.
    AuthorityAsLeaf,
    /// An authority has issued what it must not: names, or too long a path.
    Constraint,
    /// The issuer has revoked the certificate, or does not know it.
    Revoked,
    /// The certificate demands a stapled OCSP answer, and there is none that can be used.
    NoStaple,
    /// A certificate cannot be read, or has something in it that is not understood.
    Malformed,
    /// There are too many certificates, or too many ways through them.
    TooComplex,
}

impl ReasonCode {
    /// The word of the contract.
    #[must_use]
    pub fn word(self) -> &'static str {
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
            Self::KeyNotHeld => "key_not_held",
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

/// Reasons in the order in which they were found, each kind once for each certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasons(Vec<Reason>);

impl Reasons {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Reason> {
        self.0.iter()
    }

    /// `Ok` where nothing is wrong, and else all of them in one text.
    ///
    /// # Errors
    /// There is a reason.
    pub fn as_result(&self) -> Result<(), String> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(self.to_string()),
        }
    }

    pub(super) fn push(&mut self, reason: Reason) {
        let is_known = self
            .iter()
            .any(|known| known.code == reason.code && known.certificate == reason.certificate);
        if !is_known && self.0.len() < MOST {
            self.0.push(reason);
        }
    }

    pub(super) fn has(&self, codes: &[ReasonCode]) -> bool {
        self.iter().any(|reason| codes.contains(&reason.code))
    }
}

impl Display for Reasons {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, reason) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{}", reason.message)?;
        }
        Ok(())
    }
}

/// The cause of a handshake that was broken off.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Untrusted(pub(super) Reasons);
