//! What the host did for a run, step by step.

use anstyle::Style;

use super::plain::plain;
use super::table::{Align, Cell, Column, Note, Row, render};
use super::{Screen, show_duration};
use crate::outcome::Run;
use crate::quota::show_bytes;
use crate::trace::{Handshake, Lookup, Request, Step, StepKind};

const COLUMNS: [Column; 4] = [
    Column::new("AT", Align::Right, 6, 0),
    Column::new("TOOK", Align::Right, 6, 0),
    Column::new("STEP", Align::Left, 11, 0),
    Column::new("WHAT", Align::Wrapped, 20, 0),
];

/// One line a step, in the order in which they began, with what each found.
#[must_use]
pub fn steps(run: &Run, screen: Screen) -> String {
    let mut steps: Vec<&Step> = run.trail.steps.iter().collect();
    steps.sort_by_key(|step| step.started);
    let rows: Vec<Row> = steps.into_iter().map(row).collect();
    let lost = match run.trail.steps_lost {
        0 => String::new(),
        lost => format!("and {lost} more\n"),
    };
    format!("{}{lost}", render(&COLUMNS, &rows, screen))
}

fn row(step: &Step) -> Row {
    let (word, what, notes) = match &step.kind {
        StepKind::Instantiate => ("instantiate", "the plugin".to_owned(), Vec::new()),
        StepKind::Lookup(lookup) => ("resolve", looked_up(lookup), Vec::new()),
        StepKind::Connect { peer } => ("connect", peer.to_string(), Vec::new()),
        StepKind::Handshake(handshake) => ("handshake", shaken(handshake), certificate(handshake)),
        StepKind::Request(request) => ("request", requested(request), phases(request)),
    };
    let error = step.error.iter().map(|error| Note {
        word: Cell::styled("error", Style::new()),
        text: plain(&error.message),
    });
    Row {
        cells: vec![
            Cell::new(show_duration(step.started)),
            Cell::new(show_duration(step.took)),
            Cell::new(word),
            Cell::new(plain(&what)),
        ],
        notes: notes.into_iter().chain(error).collect(),
    }
}

fn note(word: &'static str, text: &str) -> Note {
    Note {
        word: Cell::styled(word, Style::new().dimmed()),
        text: plain(text),
    }
}

fn looked_up(lookup: &Lookup) -> String {
    let addresses: Vec<String> = lookup.addresses.iter().map(ToString::to_string).collect();
    format!("{}: {}", lookup.name, addresses.join(", "))
}

fn shaken(handshake: &Handshake) -> String {
    let mut words = vec![format!("name {}", handshake.server_name)];
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

fn requested(request: &Request) -> String {
    let status = request
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let version = request
        .version
        .map_or_else(String::new, |version| format!(" over HTTP/{version}"));
    format!("{} {} -> {status}{version}", request.method, request.url)
}

fn phases(request: &Request) -> Vec<Note> {
    let mut notes = Vec::new();
    notes.extend(request.send.map(|took| {
        let body = show_bytes(request.request_bytes);
        note("send", &format!("{}, a body of {body}", show_duration(took)))
    }));
    notes.extend(request.wait.map(|took| note("wait", &show_duration(took))));
    notes.extend(request.receive.map(|took| {
        let body = request.response_bytes.map_or_else(
            || "no body".to_owned(),
            |bytes| format!("a body of {}", show_bytes(bytes)),
        );
        note("receive", &format!("{}, {body}", show_duration(took)))
    }));
    notes
}
