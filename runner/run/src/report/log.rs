//! What a plugin logged, for people.

use anstyle::Style;

use super::sanitize::sanitize;
use super::table::{Cell, Note};
use super::{Detail, format_duration};
use crate::outcome::{LogLevel, LogLine, Run};

/// The lines of a run: all of them, or those that someone should look at.
pub(super) fn notes(run: &Run, detail: Detail) -> impl Iterator<Item = Note> {
    let is_shown = move |line: &&LogLine| match detail {
        Detail::Everything => true,
        Detail::Problems => line.level >= LogLevel::Warn,
    };
    run.log.iter().filter(is_shown).map(|line| Note {
        label: Cell::styled("log", Style::new().dimmed()),
        text: format(line),
    })
}

/// A line: its level, the message, the fields, and when it was logged.
pub(super) fn format(line: &LogLine) -> String {
    let fields = line.fields.iter();
    let fields: String = fields
        .map(|(key, value)| format!(" {}={}", sanitize(key), sanitize(value)))
        .collect();
    let (level, at) = (line.level.as_str(), format_duration(line.at));
    format!("{level} {}{fields} ({at})", sanitize(&line.message))
}
