//! The host put together, and a suite made ready to run on it.

pub mod aside;
pub mod check;
mod clocks;
mod host;
pub mod limits;
pub mod load;
mod memory;
mod poll_watch;
mod publisher;
pub mod reload;
pub mod serve;
pub mod service;
#[cfg(test)]
mod simulation;
mod systemd;
mod trust;
mod vigil;

pub use host::{Host, HostError, Settings};
