//! The certificates that a server showed, within a session or without one.

use canary_sdk::tls::{self, Certificate, Examination, Reason, Session};

/// A chain, and what the host says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// As the server sent it, leaf first.
    pub(crate) chain: &'a [Certificate],
    /// Leaf first, root last; absent when no path verified.
    pub(crate) verified_chain: Option<&'a [Certificate]>,
    /// Why the chain is not trusted.
    pub(crate) reasons: &'a [Reason],
}

impl<'a> Shown<'a> {
    /// Whether the chain is trusted, or why it is not.
    pub(crate) fn verified(self) -> Result<(), String> {
        tls::verified(self.reasons)
    }

    pub(crate) fn leaf(self) -> Option<&'a Certificate> {
        self.chain.first()
    }

    /// The certificates that matter: the path that is trusted, or what was sent when none is.
    /// Servers send expired certificates that no path needs; they are no reason to worry.
    pub(crate) fn path(self) -> &'a [Certificate] {
        self.verified_chain.unwrap_or(self.chain)
    }

    /// The certificate of the chain that ends first, of those that can be read.
    pub(crate) fn first_to_end(self) -> Option<&'a Certificate> {
        let readable = self.path().iter().filter(|certificate| certificate.is_readable());
        readable.min_by_key(|certificate| certificate.not_after)
    }

    /// The place in the chain of one that cannot be read, the leaf being 0.
    pub(crate) fn unreadable(self) -> Option<usize> {
        self.path()
            .iter()
            .position(|certificate| !certificate.is_readable())
    }
}

impl<'a> From<&'a Session> for Shown<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            chain: &session.chain,
            verified_chain: session.verified_chain.as_deref(),
            reasons: &session.reasons,
        }
    }
}

impl<'a> From<&'a Examination> for Shown<'a> {
    fn from(shown: &'a Examination) -> Self {
        Self {
            chain: &shown.chain,
            verified_chain: shown.verified_chain.as_deref(),
            reasons: &shown.reasons,
        }
    }
}
