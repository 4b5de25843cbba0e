//! The harness: certificates, peers, guests and programs for the tests of Canary.

pub mod certificate;
pub mod command;
pub mod harness;
pub mod nginx;
pub mod peer;
