//! The live table of `canary demo` and `canary run`, which is redrawn repeatedly.

use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use super::sanitize::sanitize;
use super::table::{Align, Cell, Column, Row, render};
use super::{Screen, format_duration, style_of};
use crate::outcome::Run;
use crate::status::Status;
use canary_suite::Check;

const COLUMNS: [Column; 9] = [
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("TARGET", Align::Left, 12, 110),
    Column::new("STATUS", Align::Left, 8, 0),
    Column::new("LAST", Align::Left, 7, 0),
    Column::new("TIME", Align::Right, 6, 0),
    Column::new("SOCKETS", Align::Right, 7, 0),
    Column::new("DENIED", Align::Right, 6, 0),
    Column::new("RECLAIMED", Align::Right, 9, 0),
    Column::new("SUMMARY", Align::Left, 16, 0),
];

/// The row of one check.
#[derive(Debug, Clone)]
pub struct LiveRow {
    /// The check.
    pub check: Arc<Check>,
    /// Its debounced status.
    pub status: Status,
    /// Whether a run is in flight.
    pub is_running: bool,
    /// The last run that ended.
    pub last: Option<Arc<Run>>,
}

/// A table with one line per check. `*` marks a run in flight; `SOCKETS` is the peak of the last run and the quota.
#[must_use]
pub fn live(rows: &[LiveRow], screen: Screen) -> String {
    let rows: Vec<Row> = rows.iter().map(row).collect();
    render(&COLUMNS, &rows, screen)
}

fn row(live: &LiveRow) -> Row {
    let status = live.status.as_str();
    let mut cells = vec![
        Cell::new(sanitize(&live.check.name)),
        Cell::new(sanitize(&live.check.target.to_string())),
        Cell::styled(status, style_of(status)),
    ];
    match &live.last {
        Some(run) => cells.extend(ended(run, live.is_running)),
        None => cells.push(under_way(live.is_running)),
    }
    Row {
        cells,
        notes: Vec::new(),
    }
}

fn ended(run: &Run, is_running: bool) -> [Cell; 6] {
    let word = run.outcome.as_str();
    let usage = &run.usage;
    let running = if is_running { " *" } else { "" };
    [
        Cell::styled(format!("{word}{running}"), style_of(word)),
        Cell::new(format_duration(run.duration)),
        Cell::new(format!("{}/{}", usage.used.sockets_peak, run.check.quota.sockets)),
        count(usage.denials.values().sum(), AnsiColor::Yellow),
        count(usage.reclaimed, AnsiColor::Cyan),
        Cell::new(sanitize(&run.outcome.summary())),
    ]
}

fn under_way(is_running: bool) -> Cell {
    Cell::styled(
        if is_running { "running" } else { "waiting" },
        Style::new().dimmed(),
    )
}

fn count(count: u64, colour: AnsiColor) -> Cell {
    let style = if count > 0 {
        colour.on_default()
    } else {
        Style::new().dimmed()
    };
    Cell::styled(count.to_string(), style)
}
