//! How a name server treats a question.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;

/// How the server treats questions for a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Answers from its records; a name without any does not exist.
    #[default]
    Answers,
    /// Says that the name does not exist.
    NoSuchName,
    /// Says that it failed.
    Fails,
    /// Never answers.
    Silent,
    /// Sets the truncated bit over UDP and answers over TCP.
    Truncates,
    /// The same, with an answer that is 64 KiB long and stands for 9 MB of text.
    Unfolds,
    /// Answers with another id, and the address [`super::FORGED`].
    WrongId,
    /// Answers a question that nobody asked, with the address [`super::FORGED`].
    WrongQuestion,
    /// Answers bytes that are no DNS.
    Garbage,
    /// Answers from its records what is asked without EDNS, and anything else in this way.
    WithoutEdns(EdnsRejection),
    /// Answers from its records, but nothing where IPv6 addresses are asked for.
    DropsAaaa,
    /// Answers with the first address, then the second, then the first again.
    Flips(IpAddr, IpAddr),
}

/// What a server that does not know EDNS makes of a question with it (RFC 6891, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdnsRejection {
    /// `FORMERR`, with nothing behind the header.
    BareHeader,
    /// This code, with the question.
    Code(ResponseCode),
    /// No answer.
    Dropped,
}
