//! `canary:check@0.2.0`.

mod dns;
mod error;
mod exchange;
mod http;
mod secrets;
mod tcp;
mod tls;
mod usage;
