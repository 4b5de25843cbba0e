//! The steps of a run: what the host did, in order.

use anstyle::Style;

use super::sanitize::sanitize;
use super::table::{Align, Cell, Column, Note, Row, render};
use super::{Screen, format_duration};
use crate::outcome::Run;
use canary_record::quota::format_bytes;
use canary_record::trace::{Handshake, Lookup, Request, Step, StepKind};

const COLUMNS: [Column; 4] = [
    Column::new("AT", Align::Right, 6, 0),
    Column::new("TOOK", Align::Right, 6, 0),
    Column::new("STEP", Align::Left, 11, 0),
    Column::new("WHAT", Align::Wrapped, 20, 0),
];

/// A table with one line per step, in the order of their start, with their results.
#[must_use]
pub fn steps(run: &Run, screen: Screen) -> String {
    let mut steps: Vec<&Step> = run.trail.steps.iter().collect();
    steps.sort_by_key(|step| step.started);
    let rows: Vec<Row> = steps.into_iter().map(row).collect();
    let lost = match run.trail.steps_lost {
        0 => String::new(),
        lost => format!("... and {lost} more\n"),
    };
    format!("{}{lost}", render(&COLUMNS, &rows, screen))
}

fn row(step: &Step) -> Row {
    let (word, what, notes) = match &step.kind {
        StepKind::Instantiate => ("instantiate", "the plugin".to_owned(), Vec::new()),
        StepKind::Lookup(lookup) => ("resolve", format_lookup(lookup), Vec::new()),
        StepKind::Connect { peer } => ("connect", peer.to_string(), Vec::new()),
        StepKind::Handshake(handshake) => ("handshake", format_handshake(handshake), certificate(handshake)),
        StepKind::Request(request) => ("request", format_request(request), phases(request)),
    };
    let error = step.error.iter().map(|error| Note {
        label: Cell::styled("error", Style::new()),
        text: sanitize(&error.message),
    });
    Row {
        cells: vec![
            Cell::new(format_duration(step.started)),
            Cell::new(format_duration(step.took)),
            Cell::new(word),
            Cell::new(sanitize(&what)),
        ],
        notes: notes.into_iter().chain(error).collect(),
    }
}

fn note(word: &'static str, text: &str) -> Note {
    Note {
        label: Cell::styled(word, Style::new().dimmed()),
        text: sanitize(text),
    }
}

fn format_lookup(lookup: &Lookup) -> String {
    let addresses: Vec<String> = lookup.addresses.iter().map(ToString::to_string).collect();
    format!("{}: {}", lookup.name, addresses.join(", "))
}

fn format_handshake(handshake: &Handshake) -> String {
    let proxy = if handshake.is_proxy { "proxy " } else { "" };
    let unsent = if handshake.without_sni { " (not sent)" } else { "" };
    let mut words = vec![format!("{proxy}name {}{unsent}", handshake.server_name)];
    words.extend(handshake.version.map(|version| format!("TLS {version}")));
    words.extend(handshake.cipher_suite.iter().map(ToString::to_string));
    words.extend(handshake.alpn.iter().map(|alpn| format!("ALPN {alpn}")));
    words.join(", ")
}

fn certificate(handshake: &Handshake) -> Vec<Note> {
    let leaf = handshake.leaf.iter().flat_map(|leaf| {
        [
            note("subject", &leaf.subject),
            note("issuer", &leaf.issuer),
            note("sha256", &leaf.fingerprint),
        ]
    });
    let untrusted = handshake.untrusted.iter().map(|why| note("untrusted", why));
    leaf.chain(untrusted).collect()
}

fn format_request(request: &Request) -> String {
    let status = request
        .status
        .map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let version = request
        .version
        .map_or_else(String::new, |version| format!(" over HTTP/{version}"));
    format!("{} {} -> {status}{version}", request.method, request.url)
}

fn phases(request: &Request) -> Vec<Note> {
    let mut notes = Vec::new();
    notes.extend(request.send.map(|took| {
        let body = format_bytes(request.request_bytes);
        note("send", &format!("{}, a body of {body}", format_duration(took)))
    }));
    notes.extend(request.wait.map(|took| note("wait", &format_duration(took))));
    notes.extend(request.receive.map(|took| {
        let body = request.response_bytes.map_or_else(
            || "no body".to_owned(),
            |bytes| format!("a body of {}", format_bytes(bytes)),
        );
        note("receive", &format!("{}, {body}", format_duration(took)))
    }));
    notes
}
