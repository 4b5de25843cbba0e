//! What the commands print, and what the admin address answers. Pure: runs and facts in, text out.

mod conversation;
mod human;
pub mod inside;
mod json;
mod junit;
mod live;
mod plain;
mod steps;
mod table;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::account::Account;
use crate::outcome::{Measurement, Outcome, Run, VerdictStatus};
use crate::record::Text;

pub use self::conversation::conversation;
pub use self::human::{human, transition};
pub use self::json::{UsageObject, escape, json, json_parts, run_object, safe_json};
pub use self::junit::{junit, junit_parts};
pub use self::live::{LiveRow, live};
pub use self::plain::{MAX_TEXT_CHARS, for_terminal, plain};
pub use self::steps::steps;

/// What a text is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// In columns; [`usize::MAX`] cuts nothing.
    pub width: usize,
    /// Whether to colour. The caller knows of terminals and of `NO_COLOR`.
    pub colour: bool,
}

/// How much of a run a person wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What did not pass, and what the host refused or closed.
    Trouble,
    /// Every assertion, measurement and attribute as well.
    Everything,
}

/// The exit code of `canary check`: 0 when every verdict is pass or warn, 1 when one is fail, 2 when a run was
/// stopped or faulted. 2 goes before 1, because then the monitor itself is in doubt.
#[must_use]
pub fn exit_code(runs: &[Run]) -> u8 {
    let code = |run: &Run| match &run.outcome {
        Outcome::Completed(verdict) if verdict.status == VerdictStatus::Fail => 1,
        Outcome::Completed(_) => 0,
        Outcome::Stopped(_) | Outcome::Faulted(_) => 2,
    };
    runs.iter().map(code).max().unwrap_or(0)
}

/// How many runs ended in which way.
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
    fn of(runs: &[Run]) -> Self {
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

/// What `canary run` says at its end: what became of every due time, since its state began.
#[must_use]
pub fn closing(account: &Account) -> String {
    let (scheduled, finished, missed) = (
        account.scheduled(),
        account.finished_in_all(),
        account.missed_in_all(),
    );
    let reasons = account.missed().iter();
    let reasons: Vec<String> = reasons
        .map(|(reason, count)| format!("{}={count}", reason.word()))
        .collect();
    let reasons = match reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", reasons.join(" ")),
    };
    format!("stopped: {scheduled} scheduled = {finished} finished + {missed} missed{reasons}")
}

/// On one line: `certificate.days_left{position="0"} = 14 d`.
fn measured(measurement: &Measurement) -> String {
    let pair = |(key, value): &(Text, Text)| format!("{}=\"{}\"", plain(key), plain(value));
    let pairs: Vec<String> = measurement.attributes.iter().map(pair).collect();
    let attributes = match pairs.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", pairs.join(", ")),
    };
    let (name, unit) = (plain(&measurement.name), plain(&measurement.unit));
    format!("{name}{attributes} = {} {unit}", measurement.value)
}

/// The colour of an outcome's or a status's word.
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

/// Two or three digits that matter: `0.4ms`, `37ms`, `1.2s`, `2m 5s`.
fn show_duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    match duration.as_secs() {
        _ if millis < 9.95 => format!("{millis:.1}ms"),
        _ if millis < 999.5 => format!("{millis:.0}ms"),
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        whole => humantime::format_duration(Duration::from_secs(whole)).to_string(),
    }
}
