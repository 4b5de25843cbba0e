//! Real telemetry receivers on loopback, where they are installed: see [`crate::command::find`].
//!
//! Each has its own folder, is waited for until ready, and killed on drop. Its output is stored and shown when a test
//! fails because expected data did not arrive. `.ci/tools` installs all of them.

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
pub use service::{MAX_OUTPUT_LINES, Service};
pub use victoria::{VictoriaMetrics, Vmagent};
