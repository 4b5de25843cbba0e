//! The host put together, and a suite made ready to run on it.

mod aside;
pub mod check;
mod host;
pub mod load;
pub mod serve;

pub use aside::Aside;
pub use host::{Host, HostError, Settings};
