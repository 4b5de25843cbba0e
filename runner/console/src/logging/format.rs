//! Formatting of log lines.

use std::borrow::Cow;
use std::fmt::{Debug, Write as _};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

use super::module_name::module_name;
use canary_run::report::escape;
use canary_suite::Secrets;

/// Maximum length of a field in bytes; longer ones are truncated.
const MAX_FIELD: usize = 64 << 10;
/// The field in which `tracing` has the message.
const MESSAGE: &str = "message";

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Time, level, message and fields: for a service.
    #[default]
    Text,
    /// The same as a JSON object on one line.
    Json,
    /// The message alone, after `error:` or `warning:`: for one-shot commands.
    Brief,
}

/// The parts of an event.
#[derive(Debug)]
pub(super) struct Record<'a> {
    time: SystemTime,
    level: Level,
    module: Cow<'a, str>,
    secrets: &'a Secrets,
    message: String,
    fields: Map<String, Value>,
}

impl<'a> Record<'a> {
    pub(super) fn new(time: SystemTime, level: Level, target: &'a str, secrets: &'a Secrets) -> Self {
        Self {
            time,
            level,
            module: module_name(target),
            secrets,
            message: String::new(),
            fields: Map::new(),
        }
    }

    /// Sets a message of any length.
    pub(super) fn with_message(mut self, message: &str) -> Self {
        self.message = self.secrets.redact(message);
        self
    }

    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (MESSAGE, Value::String(text)) => self.message = self.redact_and_truncate(&text),
            (name, Value::String(text)) => {
                drop(
                    self.fields
                        .insert(name.to_owned(), self.redact_and_truncate(&text).into()),
                );
            }
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }

    /// Redacts a text, and truncates it to the maximum length of a field.
    fn redact_and_truncate(&self, text: &str) -> String {
        let mut readable = self.secrets.redact_truncated(text, MAX_FIELD);
        let kept = text.floor_char_boundary(MAX_FIELD);
        if kept < text.len() {
            let _written = write!(readable, " ({} bytes more)", text.len() - kept);
        }
        readable
    }
}

impl Visit for Record<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}").into());
    }
}

impl Format {
    /// Formats the event as text that ends in a line break.
    pub(super) fn line(self, record: &Record<'_>) -> String {
        match self {
            Self::Text => text(record),
            Self::Json => json(record),
            Self::Brief => brief(record),
        }
    }
}

fn text(record: &Record<'_>) -> String {
    let time = humantime::format_rfc3339_millis(record.time);
    let mut line = format!("{time} {:<5} ", record.level.as_str());
    push_safe(&mut line, &record.message, "\n    ");
    push_fields(&mut line, record);
    line + "\n"
}

fn brief(record: &Record<'_>) -> String {
    let mut line = match record.level {
        Level::ERROR => "error: ".to_owned(),
        Level::WARN => "warning: ".to_owned(),
        _ => String::new(),
    };
    push_safe(&mut line, &record.message, "\n");
    push_fields(&mut line, record);
    line + "\n"
}

fn json(record: &Record<'_>) -> String {
    let mut object = record.fields.clone();
    let time = humantime::format_rfc3339_millis(record.time).to_string();
    object.insert("time".to_owned(), time.into());
    object.insert("level".to_owned(), record.level.as_str().into());
    object.insert("target".to_owned(), (&*record.module).into());
    object.insert(MESSAGE.to_owned(), record.message.as_str().into());
    escape(&Value::Object(object).to_string()) + "\n"
}

fn push_fields(line: &mut String, record: &Record<'_>) {
    for (name, value) in &record.fields {
        // Writing to a string cannot fail.
        let _written = write!(line, " {name}={value}");
    }
}

/// Appends an untrusted text: it must neither control a terminal nor begin a line of its own.
fn push_safe(line: &mut String, text: &str, line_break: &str) {
    for char in text.trim_end().chars() {
        match char {
            '\n' => line.push_str(line_break),
            '\t' => line.push(char),
            _ if char.is_control() => line.extend(char.escape_default()),
            _ => line.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;

    static SECRETS: LazyLock<Secrets> = LazyLock::new(|| Secrets::new(["correct-horse-battery"]));

    fn record(level: Level, message: &str) -> Record<'static> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let mut record = Record::new(time, level, "canary_alert::router", &SECRETS).with_message(message);
        record.fields.insert("waiting".to_owned(), 3.into());
        record.fields.insert("notifier".to_owned(), "ops \"1\"\n".into());
        record
    }

    #[test]
    fn text_has_time_level_message_and_fields() {
        assert_eq!(
            Format::Text.line(&record(Level::INFO, "it works")),
            "2023-11-14T22:13:20.123Z INFO  it works notifier=\"ops \\\"1\\\"\\n\" waiting=3\n"
        );
    }

    #[test]
    fn json_is_an_object_on_one_line() {
        let line = Format::Json.line(&record(Level::ERROR, "a\nb"));
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "time": "2023-11-14T22:13:20.123Z",
            "level": "ERROR",
            "target": "canary::alert::router",
            "message": "a\nb",
            "notifier": "ops \"1\"\n",
            "waiting": 3,
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_message_neither_controls_a_terminal_nor_forges_a_line() {
        let forged = "a\u{1b}[2J\u{9b}b\r\n2023-11-14T22:13:20.123Z ERROR forged";
        let line = Format::Text.line(&record(Level::WARN, forged));
        let (first, second) = line.split_once('\n').unwrap();
        assert!(first.ends_with(r"WARN  a\u{1b}[2J\u{9b}b\r"), "{first}");
        assert!(second.starts_with("    2023"), "{second}");
    }

    #[test]
    fn a_secret_is_in_no_message_and_in_no_field_not_even_where_they_are_cut() {
        let mut record = record(Level::WARN, "no correct-horse-battery here");
        let cut = format!("{}correct-horse-battery", "x".repeat(MAX_FIELD - 7));
        record
            .fields
            .insert("cut".to_owned(), record.redact_and_truncate(&cut).into());
        for format in [Format::Text, Format::Json, Format::Brief] {
            let line = format.line(&record);
            assert!(line.contains("no *** here"), "{line}");
            assert!(!line.contains("corr"), "{line}");
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = record(Level::INFO, "").redact_and_truncate(&"ä".repeat(MAX_FIELD));
        assert!(text.len() < MAX_FIELD + 100);
        assert!(text.ends_with("ä… (65536 bytes more)"), "{}", text.len());
    }
}
