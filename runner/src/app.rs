//! Assembles the host from its parts, and loads, starts and supervises a suite on it.

pub mod bootstrap;
pub mod check;
mod clock_monitor;
mod features;
mod file_fingerprint;
mod health_log_thread;
mod health_signals;
mod host;
pub mod limits;
pub mod load;
mod memory;
mod publisher;
pub mod reload;
#[cfg(test)]
mod simulation;
mod slow_poll_thread;
pub mod supervisor;
mod systemd;
pub mod telemetry_thread;
mod trust;

pub use host::{Host, HostError, Settings};
