//! Real receivers of telemetry on loopback, where they are installed: see [`crate::command::find`].
//!
//! Each is started with a folder of its own, waited for, and killed on drop. What it writes is kept, and shown when a
//! test fails for what it did not get. `.ci/tools` installs all of them.

mod alertmanager;
mod mock;
mod phoenix;
mod prometheus;
mod promql;
mod promtool;
mod rotel;
mod service;
mod victoria;

pub use alertmanager::Alertmanager;
pub use mock::MockServer;
pub use phoenix::Phoenix;
pub use prometheus::Prometheus;
pub use promql::{Labels, Queries, Series};
pub use promtool::Promtool;
pub use rotel::{Printed, Rotel};
pub use service::{LINES_KEPT, Service};
pub use victoria::{VictoriaMetrics, Vmagent};
