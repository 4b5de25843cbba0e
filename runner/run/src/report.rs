//! Output formats: what the commands print, and the JSON of the admin API. Pure: data in, text out.

pub mod admin_api;
mod conversation;
mod human;
mod json;
mod junit;
mod live;
mod log;
mod sanitize;
mod steps;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::account::RunAccount;
use crate::outcome::{Measurement, Outcome, Run, VerdictStatus};
use canary_record::Text;

pub use self::conversation::conversation;
pub use self::human::{human, transition};
pub use self::json::RunObject;
#[cfg(any(test, feature = "test-util"))]
pub use self::json::json;
pub use self::json::{UsageObject, escape, json_parts, run_object, safe_json};
#[cfg(any(test, feature = "test-util"))]
pub use self::junit::junit;
pub use self::junit::junit_parts;
pub use self::live::{LiveRow, live};
pub use self::sanitize::{MAX_TEXT_CHARS, for_terminal, sanitize};
pub use self::steps::steps;

/// The terminal that a text is rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// In columns; [`usize::MAX`] for unlimited.
    pub width: usize,
    /// Whether to use colours. The caller considers terminals and `NO_COLOR`.
    pub colour: bool,
}

/// The level of detail for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Assertions that did not pass, and what the host refused or closed.
    Problems,
    /// Also every assertion, measurement and attribute.
    Everything,
}

/// The exit code of `canary check`: 0 if every verdict is pass or warn, 1 if one is fail, 2 if a run was stopped or
/// faulted. 2 takes precedence over 1, because then the monitor itself is in doubt.
#[must_use]
pub fn exit_code(runs: &[Run]) -> u8 {
    let code = |run: &Run| match &run.outcome {
        Outcome::Completed(verdict) if verdict.status == VerdictStatus::Fail => 1,
        Outcome::Completed(_) => 0,
        Outcome::Stopped(_) | Outcome::Faulted(_) => 2,
    };
    runs.iter().map(code).max().unwrap_or(0)
}

/// The number of runs by outcome.
#[derive(Debug, Default, Serialize)]
struct Totals {
    runs: usize,
    pass: usize,
    warn: usize,
    fail: usize,
    stopped: usize,
    faulted: usize,
}

impl Totals {
    fn new(runs: &[Run]) -> Self {
        let mut totals = Self {
            runs: runs.len(),
            ..Self::default()
        };
        for run in runs {
            let count = match &run.outcome {
                Outcome::Completed(verdict) => match verdict.status {
                    VerdictStatus::Pass => &mut totals.pass,
                    VerdictStatus::Warn => &mut totals.warn,
                    VerdictStatus::Fail => &mut totals.fail,
                },
                Outcome::Stopped(_) => &mut totals.stopped,
                Outcome::Faulted(_) => &mut totals.faulted,
            };
            *count += 1;
        }
        totals
    }
}

/// The last line that `canary run` logs: the account of all due times, since its persistent state began.
#[must_use]
pub fn shutdown_summary(account: &RunAccount) -> String {
    let (scheduled, finished, missed) = (
        account.scheduled(),
        account.total_finished(),
        account.total_missed(),
    );
    let reasons = account.missed().iter();
    let reasons: Vec<String> = reasons
        .map(|(reason, count)| format!("{}={count}", reason.as_str()))
        .collect();
    let reasons = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join(" "))
    };
    format!("stopped: {scheduled} scheduled = {finished} finished + {missed} missed{reasons}")
}

/// A measurement on one line: `certificate.days_left{position="0"} = 14 d`.
fn format_measurement(measurement: &Measurement) -> String {
    let pair = |(key, value): &(Text, Text)| format!("{}=\"{}\"", sanitize(key), sanitize(value));
    let pairs: Vec<String> = measurement.attributes.iter().map(pair).collect();
    let attributes = if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(", "))
    };
    let (name, unit) = (sanitize(&measurement.name), sanitize(&measurement.unit));
    format!("{name}{attributes} = {} {unit}", measurement.value)
}

/// The style of the name of an outcome or a status.
fn style_of(word: &str) -> Style {
    let colour = match word {
        "pass" | "up" => AnsiColor::Green,
        "warn" | "degraded" => AnsiColor::Yellow,
        "fail" | "down" => AnsiColor::Red,
        "stopped" | "faulted" => AnsiColor::Magenta,
        _ => return Style::new().dimmed(),
    };
    colour.on_default()
}

/// A duration with two or three significant digits: `0.4ms`, `37ms`, `1.2s`, `2m 5s`.
fn format_duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    match duration.as_secs() {
        _ if millis < 9.95 => format!("{millis:.1}ms"),
        _ if millis < 999.5 => format!("{millis:.0}ms"),
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        whole => humantime::format_duration(Duration::from_secs(whole)).to_string(),
    }
}
