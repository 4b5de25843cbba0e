//! Guests of every kind against peers of every kind, in a real sandbox.
//!
//! Every test runs alone: see [`canary_tests::harness::alone`]. Tests that open descriptors without it belong into
//! another binary.

mod answers;
mod deadlines;
mod endings;
mod exhaustion;
mod extremes;
mod grants;
mod http;
mod locations;
mod matrix;
mod names;
mod pools;
mod quotas;
mod record;
mod resolution;
mod story;
mod tls;
mod trail;
