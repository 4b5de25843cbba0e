use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use canary_system::liveness::{Component, Impact, Registry};
use serde_json::Value;

use super::*;

const TEST: Component = Component {
    name: "test",
    impact: Impact::Readiness,
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `emit` logs.
fn log_of(format: Format, filter: &str, emit: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let (output, _thread) = Output::start(TEST, &Registry::default(), written.clone(), |_| None).unwrap();
    let filter = filter.parse().unwrap();
    let subscriber = subscriber(output.clone(), format, filter, Secrets::default());
    tracing::subscriber::with_default(subscriber, emit);
    output.write("", None).unwrap();
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The members `target` and `message` of JSON lines.
fn targets_and_messages(lines: &[String]) -> Vec<(String, String)> {
    let read = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("target"), text("message"))
    };
    lines.iter().map(read).collect()
}

/// An event of each kind of crate, of some levels.
fn emit() {
    tracing::info!(target: "canary::app::bootstrap", "the program");
    tracing::debug!(target: "canary_alert::router", "a crate");
    tracing::trace!(target: "canary_alert::router", "too fine");
    tracing::debug!(target: "canary_net::ledger::page", "a module with a name of its own");
    tracing::error!(target: "canary_net::tls", "its crate");
    tracing::debug!(target: "canary_system::signal::guard", "a module of a crate without a name");
    tracing::error!(target: "hyper::client", "a library");
}

#[test]
fn a_level_of_a_module_finds_its_events_whichever_crate_they_are_in() {
    let filter = "warn,canary::alert=debug,canary::ledger=debug,canary::signal=debug";
    let lines = log_of(Format::Json, filter, || {
        // Twice, since `tracing` keeps the answers to the first time.
        emit();
        emit();
    });
    let expected = [
        ("canary::alert::router", "a crate"),
        ("canary::ledger::page", "a module with a name of its own"),
        ("canary::net::tls", "its crate"),
        ("canary::signal::guard", "a module of a crate without a name"),
    ]
    .map(|(target, message)| (target.to_owned(), message.to_owned()));
    let read = targets_and_messages(&lines);
    assert_eq!(read, [expected.clone(), expected].concat());
}

#[test]
fn a_level_alone_logs_every_crate_of_canary_and_no_library() {
    let lines = log_of(Format::Json, "info", emit);
    let expected = [
        ("canary::app::bootstrap", "the program"),
        ("canary::net::tls", "its crate"),
    ]
    .map(|(target, message)| (target.to_owned(), message.to_owned()));
    assert_eq!(targets_and_messages(&lines), expected);
}

#[test]
fn text_is_filtered_by_the_same_names() {
    let lines = log_of(Format::Text, "off,canary::ledger=debug", emit);
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert!(line.ends_with(" DEBUG a module with a name of its own"), "{line}");
}

#[test]
fn lines_of_the_log_itself_name_its_module() {
    for line in [
        dropped_lines(Format::Json, 3),
        failure_line(Format::Json, "no suite", &Secrets::default()),
    ] {
        let (target, _) = targets_and_messages(&[line]).remove(0);
        assert_eq!(target, "canary::console::logging");
    }
}
