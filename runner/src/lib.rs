//! Canary: health checks that can't go silent.
//!
//! Data flows in one direction:
//! suite -> schedule -> dispatch -> sandbox (ledger, net) -> outcome -> publish -> report, state, alert, telemetry,
//! watch.
//!
//! Dependencies follow one order of modules, in which each may use only those before it: `ORDER` in
//! `tests/tidy/imports.rs`.

pub mod account;
pub mod admin;
pub mod age;
pub mod alert;
pub mod app;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod console;
#[cfg(feature = "demo")]
pub mod demo;
pub mod dispatch;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
pub mod io_class;
pub mod ledger;
pub mod liveness;
pub mod net;
pub mod outbound;
pub mod outcome;
pub mod pem;
pub mod plugin;
pub mod pool;
pub mod problem;
pub mod publish;
pub mod quota;
pub mod record;
pub mod redact;
pub mod regular_file;
pub mod report;
pub mod sandbox;
pub mod schedule;
pub mod settings;
pub mod signal;
pub mod state;
pub mod status;
pub mod suite;
pub mod telemetry;
pub mod trace;
pub mod watch;
