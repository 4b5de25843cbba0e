//! Guests of every kind against peers of every kind, in a real sandbox.
//!
//! Every test runs alone: see [`canary_tests::harness::alone`]. Tests that open descriptors without it belong into
//! another binary.

mod addresses;
mod answers;
mod blackbox;
mod bodies;
mod contract;
mod conversation;
mod costs;
mod deadlines;
mod endings;
mod exchanges;
mod exhaustion;
mod extremes;
mod grants;
mod http;
mod judged;
mod locations;
mod matrix;
mod names;
mod own_faults;
mod pools;
mod quotas;
mod record;
mod resolution;
mod story;
mod tls;
mod trail;
