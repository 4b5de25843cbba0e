//! What Canary uses of the operating system, each with a limit: clocks, threads and tasks, files, signals.
//!
//! Nothing here knows what a check is, or what is read, timed or run with it.

pub mod age;
pub mod backoff;
pub mod clock;
pub mod io_class;
pub mod liveness;
pub mod pem;
pub mod regular_file;
pub mod signal;
