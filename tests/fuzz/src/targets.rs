//! The targets by name.

mod admin;
mod certificates;
mod challenge;
mod contract;
mod dialogue;
mod dns;
mod environment;
mod grants;
mod handshake;
mod interpolation;
mod journal;
mod mail;
mod notifications;
mod redaction;
mod runtime;
mod staple;
mod suite;

/// Runs one input, and panics if an assertion fails.
pub(crate) type Target = fn(&[u8]);

/// Every target; its seeds are in `seeds/<name>`.
pub(crate) const ALL: [(&str, Target); 15] = [
    ("admin", admin::run),
    ("certificates", certificates::run),
    ("challenge", challenge::run),
    ("contract", contract::run),
    ("dialogue", dialogue::run),
    ("dns", dns::run),
    ("grants", grants::run),
    ("handshake", handshake::run),
    ("interpolation", interpolation::run),
    ("journal", journal::run),
    ("mail", mail::run),
    ("notifications", notifications::run),
    ("redaction", redaction::run),
    ("staple", staple::run),
    ("suite", suite::run),
];

/// Reports a failed assertion.
#[expect(
    clippy::panic,
    reason = "a panic is how a target says that it found something"
)]
fn fail(what: &str) -> ! {
    panic!("{what}")
}
