//! Canary: health checks that can't go silent.
//!
//! Data flows in one direction:
//! suite -> schedule -> dispatch -> sandbox (ledger, net) -> outcome -> publish -> report, state, alert, telemetry,
//! watch.
//!
//! This crate is the program: the assembled host and its commands. The parts are crates of their own, which know
//! nothing of it; they are exported here, under short names, for the tests and benches.

pub mod app;
pub mod cli;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use canary_admin as admin;
pub use canary_alert as alert;
pub use canary_console as console;
pub use canary_net as net;
pub use canary_net::{ledger, pool};
pub use canary_outbound as outbound;
pub use canary_record as record;
pub use canary_record::{quota, redact, trace};
pub use canary_run::{account, outcome, publish, report, schedule, status};
pub use canary_sandbox as sandbox;
pub use canary_sandbox::{dispatch, plugin};
pub use canary_settings as settings;
pub use canary_state as state;
pub use canary_suite as suite;
pub use canary_suite::{grant, problem};
pub use canary_system::{age, backoff, clock, io_class, liveness, pem, regular_file, signal};
pub use canary_telemetry as telemetry;
pub use canary_watch as watch;
