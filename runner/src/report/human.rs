//! For a person who reads a terminal.

use std::collections::HashMap;

use anstyle::Style;

use super::plain::plain;
use super::table::{Align, Cell, Column, Note, Row, render};
use super::{Detail, Screen, Totals, measured, show_duration, style_of};
use crate::outcome::{Assertion, Outcome, Run, Verdict, VerdictStatus};
use crate::quota::{QuotaKind, show_bytes};
use crate::status::Transition;
use crate::suite::Check;

const COLUMNS: [Column; 5] = [
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("TARGET", Align::Left, 12, 0),
    Column::new("OUTCOME", Align::Left, 7, 0),
    Column::new("TIME", Align::Right, 6, 0),
    Column::new("SUMMARY", Align::Wrapped, 20, 0),
];

/// One line a run, below it what `detail` asks for, and the totals.
#[must_use]
pub fn human(runs: &[Run], detail: Detail, screen: Screen) -> String {
    let mut alike: HashMap<(&str, String), usize> = HashMap::new();
    for run in runs {
        *alike.entry(named(run)).or_default() += 1;
    }
    let is_alone = |run: &Run| alike.get(&named(run)).is_none_or(|count| *count == 1);
    let rows: Vec<Row> = runs.iter().map(|run| row(run, detail, is_alone(run))).collect();
    format!(
        "{}\n{}\n",
        render(&COLUMNS, &rows, screen),
        totals(&Totals::of(runs), screen.colour)
    )
}

/// One line for a change of status: when, which check, from what to what, and why.
#[must_use]
pub fn transition(check: &Check, transition: &Transition, colour: bool) -> String {
    let paint = |word: &'static str| paint(word, style_of(word), colour);
    format!(
        "{}  {}  {} -> {}  {} ({} in a row)\n",
        humantime::format_rfc3339_seconds(transition.at),
        plain(check.id.as_str()),
        paint(transition.from.word()),
        paint(transition.to.word()),
        plain(&transition.summary),
        transition.consecutive,
    )
}

/// What a run is known by in its line.
fn named(run: &Run) -> (&str, String) {
    (&run.check.name, run.check.target.to_string())
}

/// `is_alone`: no other line looks as if it were about the same.
fn row(run: &Run, detail: Detail, is_alone: bool) -> Row {
    let id = (!is_alone).then(|| Note {
        word: Cell::styled("id", Style::new().dimmed()),
        text: plain(run.check.id.as_str()),
    });
    let word = run.outcome.word();
    Row {
        cells: vec![
            Cell::new(plain(&run.check.name)),
            Cell::new(plain(&run.check.target.to_string())),
            Cell::styled(word, style_of(word)),
            Cell::new(show_duration(run.duration)),
            Cell::new(plain(&run.outcome.summary())),
        ],
        notes: id.into_iter().chain(notes(run, detail)).collect(),
    }
}

fn notes(run: &Run, detail: Detail) -> Vec<Note> {
    let verdict = match &run.outcome {
        Outcome::Completed(verdict) => Some(verdict),
        Outcome::Stopped(_) | Outcome::Faulted(_) => None,
    };
    let is_shown =
        |assertion: &&Assertion| detail == Detail::Everything || assertion.status != VerdictStatus::Pass;
    let assertions = verdict.into_iter().flat_map(|verdict| &verdict.assertions);
    let facts = verdict.filter(|_| detail == Detail::Everything);
    assertions
        .filter(is_shown)
        .map(assertion)
        .chain(facts.into_iter().flat_map(found))
        .chain(refused(run))
        .chain(reclaimed(run))
        .chain(cut(run))
        .collect()
}

/// Measurements and attributes.
fn found(verdict: &Verdict) -> impl Iterator<Item = Note> {
    let measurements = verdict.measurements.iter().map(measured);
    let attributes = verdict
        .attributes
        .iter()
        .map(|(key, value)| format!("{} = {}", plain(key), plain(value)));
    measurements.chain(attributes).map(|text| Note {
        word: Cell::styled("found", Style::new().dimmed()),
        text,
    })
}

fn assertion(assertion: &Assertion) -> Note {
    let word = assertion.status.word();
    let text = format!("{}: {}", plain(&assertion.name), plain(&assertion.message));
    Note {
        word: Cell::styled(word, style_of(word)),
        text,
    }
}

fn refused(run: &Run) -> Option<Note> {
    let quota = &run.check.quota;
    let refusal = |(kind, count): (&QuotaKind, &u64)| {
        format!("{count}x {kind} (limit {})", kind.show(quota.limit(*kind)))
    };
    let refusals: Vec<String> = run.usage.denials.iter().map(refusal).collect();
    (!refusals.is_empty()).then(|| host_note(format!("refused {}", refusals.join(", "))))
}

fn reclaimed(run: &Run) -> Option<Note> {
    let count = run.usage.reclaimed;
    (count > 0).then(|| host_note(format!("closed what the plugin left open: {count}")))
}

fn cut(run: &Run) -> Option<Note> {
    let record = &run.usage.record;
    let texts = if record.cut == 1 { "text" } else { "texts" };
    let bytes = show_bytes(record.cut_bytes);
    (record.cut > 0).then(|| host_note(format!("cut {} {texts} of the record, {bytes}", record.cut)))
}

fn host_note(text: String) -> Note {
    Note {
        word: Cell::styled("host", Style::new().dimmed()),
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
    let shown: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| paint(&format!("{count} {word}"), style_of(word), colour))
        .collect();
    let runs = if totals.runs == 1 { "run" } else { "runs" };
    let colon = if shown.is_empty() { "" } else { ": " };
    format!("{} {runs}{colon}{}", totals.runs, shown.join(", "))
}

fn paint(text: &str, style: Style, colour: bool) -> String {
    if colour {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}
