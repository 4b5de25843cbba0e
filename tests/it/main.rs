//! Guests of every kind against peers of every kind, in a real sandbox.
//!
//! Every test runs alone: see [`canary_tests::harness::alone`]. Tests that open descriptors without it belong in
//! another binary.

mod addresses;
mod authentication;
mod blackbox;
mod check_faults;
mod config_validation;
mod contract;
mod conversation;
mod deadlines;
mod dns;
mod endings;
mod exchanges;
mod exhaustion;
mod grants;
mod guest_output;
mod http;
mod http_responses;
mod large_body;
mod matrix;
mod pools;
mod quotas;
mod record;
mod redirect_locations;
mod resolution;
mod response_bodies;
mod response_costs;
mod script;
mod size_limits;
mod tls;
mod tls_proxies;
mod trail;
