//! Rotel: an agent that prints what it receives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::service::{Plan, Service};
use crate::command::find;

/// A span, data point, log record or another item that Rotel prints with a heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// The heading without its number: `Span`, `SpanEvent`, `Metric`, `NumberDataPoints`, `LogRecord` and so on.
    pub heading: String,
    /// Its fields, as printed: `Kind` is `SPAN_KIND_CLIENT`.
    pub fields: BTreeMap<String, String>,
    /// Its attributes, as printed: a text is `Str(home)`, a number `Int(443)`.
    pub attributes: BTreeMap<String, String>,
}

/// A Rotel that receives all signals over gRPC and HTTP and prints them in detail. Killed on drop.
#[derive(Debug)]
pub struct Rotel(Service);

impl Rotel {
    /// Starts it. `None` where `rotel` is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Some(Self(Service::start(&Plan {
            name: "rotel",
            program: find("rotel")?,
            listeners: 2,
            arrange: &|command, addresses, _| {
                command.arg("start");
                for (option, address) in ["--otlp-grpc-endpoint", "--otlp-http-endpoint"]
                    .iter()
                    .zip(addresses)
                {
                    command.arg(option).arg(address.to_string());
                }
                command.args(["--exporter", "blackhole", "--batch-timeout", "50ms"]);
                for signal in ["traces", "metrics", "logs"] {
                    command.args(["--debug-log", signal]);
                }
                command.args(["--debug-log-verbosity", "detailed"]);
            },
            ready: None,
        })))
    }

    /// Its gRPC address.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.0.address(0)
    }

    /// Its HTTP address.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.0.address(1)
    }

    /// Everything that it has printed, in its order.
    #[must_use]
    pub fn printed(&self) -> Vec<Printed> {
        parse(&self.0.lines())
    }

    /// Waits until what it printed satisfies `enough`, and returns it.
    ///
    /// # Panics
    /// The limit is over.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&[Printed]) -> bool) -> Vec<Printed> {
        self.0.wait_for(limit, "it prints enough", || {
            Some(self.printed()).filter(|printed| enough(printed))
        })
    }
}

/// `Span #0` starts an item; `Name   : GET` and `Unit: s` are fields; `-> key: Str(value)` is an attribute, but under a
/// metric's description a field. A value over several lines loses all but the first.
fn parse(lines: &[String]) -> Vec<Printed> {
    let mut parts: Vec<Printed> = Vec::new();
    let mut in_descriptor = false;
    for line in lines {
        let line = line.trim();
        let heading = line.split_once(" #").filter(|(_, number)| is_number(number));
        if let Some((heading, _)) = heading {
            in_descriptor = false;
            parts.push(Printed {
                heading: heading.to_owned(),
                ..Printed::default()
            });
            continue;
        }
        in_descriptor = (in_descriptor || line == "Descriptor:") && !line.ends_with("attributes:");
        let Some(part) = parts.last_mut() else { continue };
        let (text, fields) = match line.strip_prefix("-> ") {
            Some(text) if !in_descriptor => (text, &mut part.attributes),
            Some(text) => (text, &mut part.fields),
            None => (line, &mut part.fields),
        };
        if let Some((key, value)) = text.split_once(": ") {
            fields.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    parts
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
ResourceSpans #0
Resource attributes:
     -> service.name: Str(canary)
Span #0
    Parent ID      : 
    Name           : check home
Attributes:
     -> server.port: Int(443)
Metric #0
Descriptor:
     -> Name: canary.check.runs
     -> Unit: {run}
NumberDataPoints #0
Data point attributes:
     -> canary.outcome: Str(fail)
Value: 5";

    #[test]
    fn what_rotel_prints_is_read_back() {
        let lines: Vec<String> = PRINTED.lines().map(str::to_owned).collect();
        let parts = parse(&lines);
        let headings: Vec<&str> = parts.iter().map(|part| part.heading.as_str()).collect();
        assert_eq!(headings, ["ResourceSpans", "Span", "Metric", "NumberDataPoints"]);
        assert_eq!(parts[0].attributes["service.name"], "Str(canary)");
        assert_eq!(parts[1].fields["Name"], "check home");
        assert_eq!(parts[1].attributes["server.port"], "Int(443)");
        assert_eq!(parts[2].fields["Unit"], "{run}");
        assert!(parts[2].attributes.is_empty());
        assert_eq!(parts[3].fields["Value"], "5");
        assert_eq!(parts[3].attributes["canary.outcome"], "Str(fail)");
    }
}
