//! The certificates that a server presented, in a session or without one.

use canary_sdk::tls::{self, Certificate, Examination, Reason, Session};

/// A presented chain, with the host's verification of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PresentedChain<'a> {
    /// As the server sent it, leaf first.
    pub(crate) chain: &'a [Certificate],
    /// Leaf first, root last; absent when no path verified.
    pub(crate) verified_chain: Option<&'a [Certificate]>,
    /// Why the chain is not trusted.
    pub(crate) reasons: &'a [Reason],
}

impl<'a> PresentedChain<'a> {
    /// Whether the chain is trusted, or why it is not.
    pub(crate) fn verified(self) -> Result<(), String> {
        tls::verified(self.reasons)
    }

    pub(crate) fn leaf(self) -> Option<&'a Certificate> {
        self.chain.first()
    }

    /// The certificates that matter: the trusted path, or what was sent if there is none. Servers send expired
    /// certificates that no path needs; those are no reason to worry.
    pub(crate) fn path(self) -> &'a [Certificate] {
        self.verified_chain.unwrap_or(self.chain)
    }

    /// The first certificate of the chain to expire, of those that can be parsed.
    pub(crate) fn first_to_end(self) -> Option<&'a Certificate> {
        let readable = self.path().iter().filter(|certificate| certificate.is_readable());
        readable.min_by_key(|certificate| certificate.not_after)
    }

    /// The index in the chain of a certificate that cannot be parsed; the leaf is 0.
    pub(crate) fn unreadable(self) -> Option<usize> {
        self.path()
            .iter()
            .position(|certificate| !certificate.is_readable())
    }
}

impl<'a> From<&'a Session> for PresentedChain<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            chain: &session.chain,
            verified_chain: session.verified_chain.as_deref(),
            reasons: &session.reasons,
        }
    }
}

impl<'a> From<&'a Examination> for PresentedChain<'a> {
    fn from(presented: &'a Examination) -> Self {
        Self {
            chain: &presented.chain,
            verified_chain: presented.verified_chain.as_deref(),
            reasons: &presented.reasons,
        }
    }
}
