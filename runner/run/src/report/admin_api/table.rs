//! The tables of `canary status`, `canary connections` and `canary top`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};

use super::{
    AccountState, ApiTime, CheckState, Connections, HealthProblem, HealthStatus, OpenConnection,
    ReclaimedConnection, RunnerStatus, to_duration,
};
use crate::report::sanitize::sanitize;
use crate::report::table::{Align, Cell, Column, Row, render, truncate, wrap};
use crate::report::{Screen, format_duration, style_of};

const CHECKS: [Column; 9] = [
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("TARGET", Align::Left, 12, 130),
    Column::new("STATUS", Align::Left, 8, 0),
    Column::new("SINCE", Align::Right, 6, 90),
    Column::new("STAGE", Align::Left, 7, 100),
    Column::new("LAST", Align::Left, 7, 0),
    Column::new("AGO", Align::Right, 4, 70),
    Column::new("TIME", Align::Right, 6, 0),
    Column::new("SUMMARY", Align::Left, 16, 0),
];
const OPEN: [Column; 9] = [
    Column::new("STATE", Align::Left, 5, 0),
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("PLUGIN", Align::Left, 6, 70),
    Column::new("PEER", Align::Left, 14, 0),
    Column::new("PHASE", Align::Left, 9, 0),
    Column::new("AGE", Align::Right, 6, 0),
    Column::new("IN", Align::Right, 8, 0),
    Column::new("OUT", Align::Right, 8, 0),
    Column::new("RUN", Align::Left, 8, 90),
];
const RECLAIMED: [Column; 9] = [
    Column::new("RECLAIMED", Align::Left, 9, 0),
    Column::new("CHECK", Align::Left, 8, 0),
    Column::new("PLUGIN", Align::Left, 6, 70),
    Column::new("PEER", Align::Left, 14, 0),
    Column::new("WHY", Align::Left, 8, 0),
    Column::new("OPEN", Align::Right, 6, 0),
    Column::new("IN", Align::Right, 8, 0),
    Column::new("OUT", Align::Right, 8, 0),
    Column::new("RUN", Align::Left, 8, 90),
];

/// The state of the runner, its problems, and a table of its checks.
#[must_use]
pub fn status(status: &RunnerStatus, now: SystemTime, screen: Screen) -> String {
    let rows: Vec<Row> = status.checks.iter().map(|check| row(check, now)).collect();
    let left = status
        .matched
        .saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let more = match left {
        0 => String::new(),
        left => format!("... and {left} more (use `--limit` or `--check`)\n"),
    };
    let lines = head(status, now).into_iter().flat_map(|(line, style)| {
        let parts = wrap(&line, screen.width);
        parts.into_iter().map(move |part| painted(&part, style, screen))
    });
    let head: String = lines.collect();
    format!("{head}\n{}{more}", render(&CHECKS, &rows, screen))
}

/// The status for a screen of `height` lines that is redrawn repeatedly: checks that do not fit are omitted and
/// counted.
#[must_use]
pub fn top(status: &RunnerStatus, now: SystemTime, screen: Screen, height: usize) -> String {
    let lines = head(status, now).into_iter();
    let head: String = lines
        .map(|(line, style)| painted(&truncate(&line, screen.width), style, screen))
        .collect();
    // Minus the blank line, the titles and the last line.
    let room = height.saturating_sub(head.lines().count() + 3);
    let rows: Vec<Row> = status
        .checks
        .iter()
        .take(room)
        .map(|check| row(check, now))
        .collect();
    let left = status
        .matched
        .saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let more = match left {
        0 => String::new(),
        left => format!("... and {left} more; "),
    };
    format!("{head}\n{}{more}press q to quit", render(&CHECKS, &rows, screen))
}

/// A table of the open connections, and below it one of the reclaimed ones.
#[must_use]
pub fn connections(connections: &Connections, now: SystemTime, screen: Screen) -> String {
    let Connections {
        matched,
        open,
        reclaimed,
    } = connections;
    let mut text = match open.as_slice() {
        [] => "no open connections\n".to_owned(),
        open => render(&OPEN, &open.iter().map(open_row).collect::<Vec<_>>(), screen),
    };
    let left = matched.saturating_sub(u64::try_from(open.len()).unwrap_or(u64::MAX));
    if left > 0 {
        text += &format!("... and {left} more (use `--limit` or `--check`)\n");
    }
    if !reclaimed.is_empty() {
        let rows: Vec<Row> = reclaimed.iter().map(|one| reclaimed_row(one, now)).collect();
        text += &format!("\n{}", render(&RECLAIMED, &rows, screen));
    }
    text
}

/// The health of a runner in one line: `ok`, or all problems.
#[must_use]
pub fn health(health_status: &HealthStatus) -> String {
    let problems = health_status.problems.iter();
    let problems: Vec<String> = problems
        .map(|problem| format!("{}: {}", sanitize(&problem.what), sanitize(&problem.message)))
        .collect();
    if problems.is_empty() {
        sanitize(&health_status.status)
    } else {
        format!("{}: {}", sanitize(&health_status.status), problems.join("; "))
    }
}

/// The lines above the table, with their styles.
fn head(status: &RunnerStatus, now: SystemTime) -> Vec<(String, Style)> {
    let RunnerStatus {
        suite, descriptors, ..
    } = status;
    let since = suite
        .in_force_since
        .map_or_else(String::new, |since| format!(" active for {},", ago(since, now)));
    let reloads = suite.reloads;
    let version = sanitize(&status.version);
    let lines = [
        format!(
            "canary {version} up {}",
            coarse(to_duration(status.uptime_seconds))
        ),
        format!(
            "suite: {} checks,{since} {} reloads, {} refused",
            suite.checks, reloads.succeeded, reloads.failed
        ),
        format!("runs: {}", account(&status.account)),
        format!(
            "descriptors: {} of {} leased, {} reclaimed, {} unaccounted",
            descriptors.leased, descriptors.budget, descriptors.reclaimed, descriptors.unaccounted
        ),
    ];
    let problem = |problem: &HealthProblem| {
        let line = format!(
            "problem: {}: {}",
            sanitize(&problem.what),
            sanitize(&problem.message)
        );
        (line, AnsiColor::Red.on_default())
    };
    let lines = lines.map(|line| (line, Style::new()));
    lines
        .into_iter()
        .chain(status.problems.iter().map(problem))
        .collect()
}

fn painted(line: &str, style: Style, screen: Screen) -> String {
    if screen.colour && style != Style::new() {
        format!("{style}{line}{style:#}\n")
    } else {
        format!("{line}\n")
    }
}

fn account(account: &AccountState) -> String {
    format!(
        "{} scheduled = {} finished{} + {} missed{} + {} in flight",
        account.scheduled,
        account.finished.values().copied().fold(0, u64::saturating_add),
        breakdown(&account.finished),
        account.missed.values().copied().fold(0, u64::saturating_add),
        breakdown(&account.missed),
        account.under_way,
    )
}

/// The counts that are not zero, such as ` (3 fail, 20 pass)`.
fn breakdown(counts: &BTreeMap<Cow<'static, str>, u64>) -> String {
    let non_zero = counts.iter().filter(|(_, count)| **count > 0);
    let items: Vec<String> = non_zero
        .map(|(word, count)| format!("{count} {}", sanitize(word)))
        .collect();
    if items.is_empty() {
        String::new()
    } else {
        format!(" ({})", items.join(", "))
    }
}

fn row(check: &CheckState, now: SystemTime) -> Row {
    let since = check.status_since.map(|since| ago(since, now));
    let last = check.last.as_ref();
    let outcome = last.map_or("none", |last| last.outcome.as_str());
    let finish = check.last_finish.map(|finish| ago(finish, now));
    let time = last.map(|last| format_duration(to_duration(last.duration_seconds)));
    let summary = last.map(|last| sanitize(&last.summary));
    plain_row(vec![
        Cell::new(sanitize(&check.id)),
        Cell::new(sanitize(&check.target)),
        Cell::styled(sanitize(&check.status), style_of(&check.status)),
        Cell::new(since.unwrap_or_default()),
        Cell::styled(sanitize(&check.stage), Style::new().dimmed()),
        Cell::styled(sanitize(outcome), style_of(outcome)),
        Cell::new(finish.unwrap_or_default()),
        Cell::new(time.unwrap_or_default()),
        Cell::new(summary.unwrap_or_default()),
    ])
}

fn open_row(open: &OpenConnection) -> Row {
    plain_row(vec![
        Cell::styled("open", AnsiColor::Green.on_default()),
        Cell::new(sanitize(&open.check)),
        or_none(open.plugin.as_deref()),
        Cell::new(sanitize(&open.peer)),
        Cell::new(sanitize(&open.phase)),
        Cell::new(format_duration(to_duration(open.age_seconds))),
        Cell::new(size(open.bytes_in)),
        Cell::new(size(open.bytes_out)),
        or_none(open.run.as_deref()),
    ])
}

fn reclaimed_row(reclaimed: &ReclaimedConnection, now: SystemTime) -> Row {
    let at = reclaimed.at.map(|at| format!("{} ago", ago(at, now)));
    plain_row(vec![
        Cell::styled(at.unwrap_or_default(), AnsiColor::Cyan.on_default()),
        Cell::new(sanitize(&reclaimed.check)),
        or_none(reclaimed.plugin.as_deref()),
        Cell::new(sanitize(&reclaimed.peer)),
        Cell::styled(sanitize(&reclaimed.cause), AnsiColor::Yellow.on_default()),
        Cell::new(format_duration(to_duration(reclaimed.open_for_seconds))),
        Cell::new(size(reclaimed.bytes_in)),
        Cell::new(size(reclaimed.bytes_out)),
        or_none(reclaimed.run.as_deref()),
    ])
}

fn plain_row(cells: Vec<Cell>) -> Row {
    Row {
        cells,
        notes: Vec::new(),
    }
}

fn or_none(text: Option<&str>) -> Cell {
    Cell::new(text.map_or_else(|| "-".to_owned(), sanitize))
}

fn ago(moment: ApiTime, now: SystemTime) -> String {
    coarse(moment.before(now))
}

/// A duration in its two largest units: `12s`, `3m 5s`, `2h 7m`, `9d 4h`.
fn coarse(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// A size with two or three significant digits: `512 B`, `1.5 KiB`, `37 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut left = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if left < 1_000.0 {
            break;
        }
        (left, unit) = (left / 1_024.0, next);
    }
    if left < 9.95 {
        format!("{left:.1} {unit}")
    } else {
        format!("{left:.0} {unit}")
    }
}
