//! Self-monitoring of the runner: health, the heartbeat and systemd notifications. They report that the runner works,
//! and stop reporting when it does not.

pub mod health;
pub mod heartbeat;
pub mod reload_status;
mod reserved_fds;
pub mod slow_polls;
pub mod supervisor_status;
pub mod systemd;
#[cfg(test)]
mod tests;
