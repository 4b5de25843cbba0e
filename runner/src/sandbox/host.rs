//! The host's side of the contract: a module for each version that it serves, one file an interface, and what they share.

mod ask;
mod connection;
mod exchange;
mod same;
mod v0_1;
mod v0_2;
mod verdict;

#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub use connection::Connection;
#[expect(unreachable_pub, reason = "the generated bindings name it in public types")]
pub use exchange::Exchange;
pub(super) use verdict::{is_own_fault, verdict};
