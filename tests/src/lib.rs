//! The harness: certificates, peers and guests for the tests of Canary.

pub mod certificate;
pub mod harness;
pub mod peer;
