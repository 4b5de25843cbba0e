//! The run account, and all that is driven by it.

pub mod health;
pub mod pulse;
pub mod reloads;
