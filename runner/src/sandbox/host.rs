//! The host's side of the contract, one file an interface.

mod convert;
mod dns;
mod http;
mod log;
pub(super) mod tcp;
mod tls;
mod verdict;

pub(super) use verdict::verdict;
