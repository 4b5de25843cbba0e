//! The human-readable report, for terminals.

use std::collections::HashMap;

use anstyle::Style;

use super::sanitize::sanitize;
use super::table::{Align, Cell, Column, Note, Row, render};
use super::{Detail, Screen, Totals, format_duration, format_measurement, log, style_of};
use crate::outcome::{Assertion, Outcome, Run, Verdict, VerdictStatus};
use crate::status::Transition;
use canary_record::quota::{QuotaKind, format_bytes};
use canary_suite::Check;

const COLUMNS: [Column; 5] = [
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("TARGET", Align::Left, 12, 0),
    Column::new("OUTCOME", Align::Left, 7, 0),
    Column::new("TIME", Align::Right, 6, 0),
    Column::new("SUMMARY", Align::Wrapped, 20, 0),
];

/// A table with one line per run, notes below it according to `detail`, and the totals.
#[must_use]
pub fn human(runs: &[Run], detail: Detail, screen: Screen) -> String {
    let mut same_name: HashMap<(&str, String), usize> = HashMap::new();
    for run in runs {
        *same_name.entry(name_and_target(run)).or_default() += 1;
    }
    let is_unique = |run: &Run| {
        same_name
            .get(&name_and_target(run))
            .is_none_or(|count| *count == 1)
    };
    let rows: Vec<Row> = runs.iter().map(|run| row(run, detail, is_unique(run))).collect();
    format!(
        "{}\n{}\n",
        render(&COLUMNS, &rows, screen),
        totals(&Totals::new(runs), screen.colour)
    )
}

/// One line for a status transition: when, which check, from which to which status, and why.
#[must_use]
pub fn transition(check: &Check, transition: &Transition, colour: bool) -> String {
    let paint = |word: &'static str| paint(word, style_of(word), colour);
    format!(
        "{}  {}  {} -> {}  {} ({} in a row)\n",
        humantime::format_rfc3339_seconds(transition.at),
        sanitize(check.id.as_str()),
        paint(transition.from.as_str()),
        paint(transition.to.as_str()),
        sanitize(&transition.summary),
        transition.consecutive,
    )
}

/// What identifies a run in its line.
fn name_and_target(run: &Run) -> (&str, String) {
    (&run.check.name, run.check.target.to_string())
}

/// The row of a run. Unless `is_unique`, other runs have the same name and target, and the id is shown as well.
fn row(run: &Run, detail: Detail, is_unique: bool) -> Row {
    let id = (!is_unique).then(|| Note {
        label: Cell::styled("id", Style::new().dimmed()),
        text: sanitize(run.check.id.as_str()),
    });
    let word = run.outcome.as_str();
    Row {
        cells: vec![
            Cell::new(sanitize(&run.check.name)),
            Cell::new(sanitize(&run.check.target.to_string())),
            Cell::styled(word, style_of(word)),
            Cell::new(format_duration(run.duration)),
            Cell::new(sanitize(&run.outcome.summary())),
        ],
        notes: id.into_iter().chain(notes(run, detail)).collect(),
    }
}

fn notes(run: &Run, detail: Detail) -> Vec<Note> {
    let verdict = match &run.outcome {
        Outcome::Completed(verdict) => Some(verdict),
        Outcome::Stopped(_) | Outcome::Faulted(_) => None,
    };
    let is_shown = |assertion: &&Assertion| match detail {
        Detail::Everything => true,
        Detail::Problems => assertion.status != VerdictStatus::Pass,
    };
    let assertions = verdict
        .filter(|verdict| detail == Detail::Everything || !says_it_all(verdict))
        .into_iter()
        .flat_map(|verdict| &verdict.assertions);
    let facts = verdict.filter(|_| detail == Detail::Everything);
    assertions
        .filter(is_shown)
        .map(assertion)
        .chain(facts.into_iter().flat_map(findings))
        .chain(log::notes(run, detail))
        .chain(refused(run))
        .chain(reclaimed(run))
        .chain(truncated(run))
        .collect()
}

/// Whether the summary has the only problem already.
fn says_it_all(verdict: &Verdict) -> bool {
    let is_problem = |assertion: &&Assertion| assertion.status != VerdictStatus::Pass;
    let mut problems = verdict.assertions.iter().filter(is_problem);
    let (Some(problem), None) = (problems.next(), problems.next()) else {
        return false;
    };
    let (name, message, summary) = (&*problem.name, &*problem.message, &*verdict.summary);
    let rest = summary
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(": "));
    summary == message || rest == Some(message)
}

/// Measurements and attributes.
fn findings(verdict: &Verdict) -> impl Iterator<Item = Note> {
    let measurements = verdict.measurements.iter().map(format_measurement);
    let attributes = verdict
        .attributes
        .iter()
        .map(|(key, value)| format!("{} = {}", sanitize(key), sanitize(value)));
    measurements.chain(attributes).map(|text| Note {
        label: Cell::styled("found", Style::new().dimmed()),
        text,
    })
}

fn assertion(assertion: &Assertion) -> Note {
    let word = assertion.status.as_str();
    let text = format!("{}: {}", sanitize(&assertion.name), sanitize(&assertion.message));
    Note {
        label: Cell::styled(word, style_of(word)),
        text,
    }
}

fn refused(run: &Run) -> Option<Note> {
    let quota = &run.check.quota;
    let refusal = |(kind, count): (&QuotaKind, &u64)| {
        format!(
            "{count}x {kind} (limit {})",
            kind.format_value(quota.limit(*kind))
        )
    };
    let refusals: Vec<String> = run.usage.denials.iter().map(refusal).collect();
    (!refusals.is_empty()).then(|| host_note(format!("refused {}", refusals.join(", "))))
}

fn reclaimed(run: &Run) -> Option<Note> {
    let count = run.usage.reclaimed;
    let connections = if count == 1 { "connection" } else { "connections" };
    (count > 0).then(|| host_note(format!("closed {count} {connections} leaked by the plugin")))
}

fn truncated(run: &Run) -> Option<Note> {
    let record = &run.usage.record;
    let texts = if record.cut == 1 { "text" } else { "texts" };
    let bytes = format_bytes(record.cut_bytes);
    (record.cut > 0).then(|| {
        host_note(format!(
            "truncated {} {texts} of the run record by {bytes}",
            record.cut
        ))
    })
}

fn host_note(text: String) -> Note {
    Note {
        label: Cell::styled("host", Style::new().dimmed()),
        text,
    }
}

fn totals(totals: &Totals, colour: bool) -> String {
    let counts = [
        ("pass", totals.pass),
        ("warn", totals.warn),
        ("fail", totals.fail),
        ("stopped", totals.stopped),
        ("faulted", totals.faulted),
    ];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| paint(&format!("{count} {word}"), style_of(word), colour))
        .collect();
    let runs = if totals.runs == 1 { "run" } else { "runs" };
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{} {runs}{colon}{}", totals.runs, parts.join(", "))
}

fn paint(text: &str, style: Style, colour: bool) -> String {
    if colour {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}
