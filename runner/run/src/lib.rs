//! Runs as plain data: when they are due, how they ended, the statuses that follow, and reports on them.
//!
//! Time is an input, and publishing is the only side effect. Nothing here knows how a run is executed: no plugin, no
//! sandbox, no socket.

pub mod account;
pub mod outcome;
pub mod publish;
pub mod report;
pub mod schedule;
pub mod status;
