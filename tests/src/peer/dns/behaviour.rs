//! How a name server handles questions.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

/// How the server handles questions for a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers from the records; a name without records does not exist.
    #[default]
    Answers,
    /// Answers NXDOMAIN.
    NoSuchName,
    /// Answers SERVFAIL.
    Fails,
    /// Never answers.
    Silent,
    /// Sets the truncated bit over UDP and answers over TCP.
    Truncates,
    /// The same, with an answer of 64 KiB whose names expand to 9 MB of text.
    Unfolds,
    /// Answers with another id, and the address [`super::FORGED`].
    WrongId,
    /// Answers another question, with the address [`super::FORGED`].
    WrongQuestion,
    /// Answers with bytes that are not DNS.
    Garbage,
    /// Answers questions without EDNS from the records, and rejects those with EDNS in this way.
    WithoutEdns(EdnsRejection),
    /// Answers from the records, but never answers AAAA questions.
    DropsAaaa,
    /// Alternates between two addresses.
    Flips(IpAddr, IpAddr),
}

/// How a server without EDNS support rejects a question with it (RFC 6891, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdnsRejection {
    /// `FORMERR`, header only.
    BareHeader,
    /// This response code, with the question section.
    Code(ResponseCode),
    /// No answer.
    Dropped,
}
