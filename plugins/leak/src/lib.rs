//! The misbehaving plugin of the demo: it opens connections, reads the first line of each response and never closes
//! them.
//!
//! A service that does this runs out of descriptors within days. Under Canary the quota stops it at a number of
//! sockets, and every one is closed when the run ends.

use canary_sdk::{Check, Endpoint, Error, Metric, NetError, Probe, Status, TargetForm, Verdict, tcp};
use schemars::JsonSchema;
use serde::Deserialize;

/// Maximum bytes of a status line.
const MAX_STATUS_LINE: u32 = 1024;

/// What a suite writes under `config:`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many connections to open and keep.
    #[schemars(range(min = 1, max = 1000))]
    pub connections: u32,
    /// Path to request on each. Use a large one: the response is not read.
    pub path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 8,
            path: "/".into(),
        }
    }
}

/// Opens connections and never closes them.
#[derive(Debug)]
pub struct Leak;

impl Probe for Leak {
    type Config = Config;
    const NAME: &'static str = "leak";
    const SUMMARY: &'static str = "Opens connections and never closes them, to show that the host does";
    const TARGETS: &'static [TargetForm] = &[TargetForm::Url(&["http"]), TargetForm::HostPort];

    const MEASUREMENTS: &'static [Metric] = &[Metric::new(
        "connections.held",
        "{connection}",
        "Connections that it holds open.",
    )];

    fn run(check: &Check<Config>) -> Result<Verdict, Error> {
        let endpoint = endpoint(&check.target)?;
        let mut opened = Vec::new();
        for number in 1..=check.config.connections {
            opened.push((number, open_and_forget(&endpoint, &check.config.path)));
        }
        Ok(evaluate(&opened))
    }
}

canary_sdk::export_probe!(Leak);

/// Requests `path`, reads the status line of the response, and leaks the rest of it and the connection. Returns that
/// line, or why there was none.
fn open_and_forget(endpoint: &Endpoint, path: &str) -> Result<String, NetError> {
    let connection = tcp::connect(endpoint)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {endpoint}\r\n\r\n");
    let line = connection
        .write(request.as_bytes())
        .and_then(|()| connection.read_line(MAX_STATUS_LINE));
    // The bug that this plugin demonstrates.
    std::mem::forget(connection);
    Ok(line.unwrap_or_else(|error| error.explain()))
}

fn evaluate(opened: &[(u32, Result<String, NetError>)]) -> Verdict {
    let held = opened.iter().filter(|(_, result)| result.is_ok()).count();
    let summary = format!("holds {held} of {} connections open", opened.len());
    let mut verdict = if held == opened.len() {
        Verdict::pass(summary)
    } else {
        Verdict::warn(summary)
    };
    for (number, result) in opened {
        let name = format!("connection {number}");
        match result {
            Ok(line) => verdict.assert(name, Status::Pass, format!("left open after `{line}`")),
            Err(error) => verdict.assert(name, Status::Warn, error.explain()),
        };
    }
    let held = u32::try_from(held).unwrap_or(u32::MAX);
    verdict.measure("connections.held", held.into(), "{connection}");
    verdict
}

/// The endpoint that a URL or `HOST:PORT` names.
fn endpoint(target: &str) -> Result<Endpoint, Error> {
    let authority = target.strip_prefix("http://").unwrap_or(target);
    let authority = authority.split('/').next().unwrap_or_default();
    Ok(Endpoint::parse_or(authority, 80)?)
}

#[cfg(test)]
mod tests {
    use canary_sdk::fake::{FakeHost, Script};
    use serde_json::json;

    use super::*;

    #[test]
    fn it_keeps_what_the_quota_grants_and_warns_of_the_rest() {
        let host = FakeHost::new()
            .tcp("web:80", Script::new().send("HTTP/1.1 200 OK\r\nbody"))
            .max_sockets(4);
        let verdict = host
            .run::<Leak>("http://web/", json!({ "connections": 6, "path": "/large" }))
            .unwrap();
        assert_eq!(verdict.status(), Status::Warn);
        assert_eq!(verdict.summary(), "holds 4 of 6 connections open");
        assert_eq!(host.open_connections(), 4);
        assert!(
            host.written("web:80")
                .starts_with(b"GET /large HTTP/1.1\r\nhost: web:80\r\n\r\n")
        );
        let refused = verdict.assertion("connection 5").unwrap();
        assert_eq!(refused.message, "connect: the quota of 4 `sockets` is used up");
    }

    #[test]
    fn it_passes_when_it_got_all_it_wanted() {
        let host = FakeHost::new().tcp("web:8080", Script::new().send("HTTP/1.1 200 OK\r\n"));
        let verdict = host.run::<Leak>("web:8080", json!({})).unwrap();
        assert_eq!((verdict.status(), host.open_connections()), (Status::Pass, 8));
    }
}
