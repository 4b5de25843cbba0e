//! The harness: certificates and peers for the tests of Canary.

pub mod certificate;
pub mod peer;
