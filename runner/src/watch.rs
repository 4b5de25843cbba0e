//! Watching the watcher: what tells others that the runner still does its work, and stops telling when it does not.

pub mod heartbeat;
mod spare;
pub mod systemd;
#[cfg(test)]
mod tests;
