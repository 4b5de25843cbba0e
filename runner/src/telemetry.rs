//! Telemetry: what happened, for Grafana. The only place that knows OpenTelemetry.
//!
//! Nothing on the way of a run knows it: runs are recorded as plain data, and told of here when they are over.

mod attribute;
pub mod logs;
mod name;
#[cfg(test)]
mod sample;
pub mod settings;
pub mod spans;
