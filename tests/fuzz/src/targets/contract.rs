//! Values that a plugin passes to the host: requests, handshakes, verdicts.
//!
//! An input: texts separated by NUL. The first selects the kind.

use canary::fuzzing::contract::{Handshake, RequestTexts, handshake, request, verdict};
use canary::fuzzing::tls::prepare;
use canary::net::NetError;
use canary::outcome::Verdict;
use canary::suite::Secrets;

const SECRET: &str = "hunter2-hunter2";
/// Bytes of an error.
const MAX_ERROR: usize = 64 << 10;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let texts: Vec<&str> = text.split('\0').collect();
    match texts.split_first() {
        Some((&"http", texts)) => asks(texts),
        Some((&"tls", texts)) => shakes_hands(texts),
        Some((&"verdict", texts)) => says(texts),
        _ => {}
    }
}

fn asks(texts: &[&str]) {
    let mut texts = texts.iter().map(|text| String::from(*text));
    let mut next = || texts.next();
    let (method, url) = (next().unwrap_or_default(), next().unwrap_or_default());
    let optional = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (connect_to, proxy) = (optional(next()), optional(next()));
    let lines: Vec<String> = texts.collect();
    let headers = lines
        .iter()
        .map(|line| line.split_once(':').unwrap_or((line, "")));
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect();
    is_bounded(request(RequestTexts {
        method,
        url,
        headers,
        connect_to,
        proxy,
    }));
}

fn shakes_hands(texts: &[&str]) {
    let text = |place: usize| {
        texts
            .get(place)
            .filter(|text| !text.is_empty())
            .map(|text| String::from(*text))
    };
    let options = handshake(Handshake {
        server_name: text(0),
        ca_certificates: text(1),
        client_identity: text(2).zip(text(3)),
        alpn: texts.iter().skip(4).map(|text| String::from(*text)).collect(),
    });
    is_bounded(options.and_then(|options| prepare(&options)));
}

/// A rejected value is the plugin's mistake, and the error is not longer than the plugin's own texts.
fn is_bounded<T>(taken: Result<T, NetError>) {
    match taken {
        Ok(_) => {}
        Err(NetError::Invalid(text)) => assert!(text.len() <= MAX_ERROR, "{} bytes", text.len()),
        Err(other) => super::fail(&format!("{other:?} is not the plugin's mistake")),
    }
}

fn says(texts: &[&str]) {
    let secrets = || Secrets::new([SECRET]);
    for budget in [0, 1 << 10, 64 << 10] {
        let (said, usage) = verdict(texts, budget, secrets());
        assert!(usage.bytes <= budget, "{usage:?} of {budget}");
        let shown = format!("{said:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        let Verdict {
            assertions,
            measurements,
            attributes,
            ..
        } = said;
        assert!(assertions.len().max(measurements.len()).max(attributes.len()) <= 256);
        assert!(shown.len() <= MAX_ERROR * 16, "{} bytes", shown.len());
    }
}
