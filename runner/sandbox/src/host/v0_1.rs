//! `canary:check@0.1.0`, as it was released.

mod dns;
mod error;
mod http;
mod probe;
mod tcp;
mod tls;
