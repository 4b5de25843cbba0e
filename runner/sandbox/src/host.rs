//! The host's side of the contract: one module per supported version with a file per interface, and what they share.

mod connection;
mod convert;
mod exchange;
mod shared;
mod v0_1;
mod v0_2;
mod verdict;

#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub use connection::Connection;
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub use exchange::Exchange;
pub(super) use verdict::{is_own_fault, record_verdict};
