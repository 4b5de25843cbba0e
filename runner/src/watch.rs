//! Watching the watcher: the run account and what is driven by it, which tells others that the runner still does its
//! work, and stops telling when it does not.

pub mod health;
pub mod heartbeat;
pub mod pulse;
pub mod reloads;
pub mod slow_polls;
mod spare;
pub mod systemd;
#[cfg(test)]
mod tests;
