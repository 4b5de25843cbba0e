//! Test harness: certificates, peers, guests and child processes for the tests of Canary.

pub mod certificate;
pub mod client;
pub mod collector;
pub mod command;
pub mod documentation;
pub mod freeze;
pub mod harness;
pub mod machine;
pub mod nginx;
pub mod openssl;
pub mod otlp;
pub mod peer;
pub mod ports;
pub mod real;
pub mod receiver;
pub mod scripted;
pub mod systemd;
pub mod terminal;
pub mod texts;
