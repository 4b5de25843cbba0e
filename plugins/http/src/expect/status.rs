//! Rules for the status and the HTTP version.

use std::borrow::Cow;
use std::fmt;

use canary_sdk::http::Version;
use canary_sdk::{Assertion, Problems};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Accepted if a suite sets nothing.
pub(super) const DEFAULT: &[Range] = &[Range {
    first: 200,
    last: 299,
}];

/// A status such as `200`, or an inclusive range of them such as `301-302`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Range {
    first: u16,
    last: u16,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a status such as `200` or a range such as `301-302`"
)]
enum Written {
    Number(u16),
    Text(String),
}

impl TryFrom<Written> for Range {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let (first, last) = match &written {
            Written::Number(status) => (Some(*status), Some(*status)),
            Written::Text(text) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                (first.parse().ok(), last.parse().ok())
            }
        };
        match (first, last) {
            (Some(first @ 100..=999), Some(last @ 100..=999)) => Ok(Self { first, last }),
            _ => Err(format!(
                "`{written}` is not a status such as `200` or a range such as `301-302`"
            )),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(status) => status.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl JsonSchema for Range {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 100,
            "maximum": 999,
            "pattern": "^[1-9][0-9]{2}(-[1-9][0-9]{2})?$",
            "patternErrorMessage": "a status such as 404, or a range such as `200-299`",
        })
    }
}

/// The only informational response that no other follows.
const SWITCHING_PROTOCOLS: u16 = 101;

impl Range {
    /// Reports a range without any valid status or, if `all` ranges are like it, without a final one.
    pub(super) fn check(self, all: bool, problems: &mut Problems) {
        if self.first > self.last {
            problems.report(format_args!("`{self}` ends before it begins"));
        } else if all && self.is_before_answer() {
            problems.report(format_args!("`{self}` is an interim status, never the final one"));
        }
    }

    /// Whether responses with these statuses are always followed by another.
    pub(super) fn is_before_answer(&self) -> bool {
        self.last < 200 && !(self.first..=self.last).contains(&SWITCHING_PROTOCOLS)
    }

    /// Whether responses with these statuses have no body.
    pub(super) fn has_no_body(&self) -> bool {
        let is_one_of = |statuses: [u16; 2]| self.first == self.last && statuses.contains(&self.first);
        self.last < 200 || is_one_of([204, 304])
    }
}

/// The status of a proxy that requires credentials.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// Evaluates the status. `forwarder` is a proxy that may have sent it instead of the target, and `unauthenticated` why
/// credentials led to a 401.
pub(super) fn evaluate(
    accepted: &[Range],
    status: u16,
    forwarder: Option<&str>,
    unauthenticated: Option<&str>,
) -> Assertion {
    let phrase = reason_phrase(status).unwrap_or_default();
    let shown = format!("{status} {phrase}");
    let shown = shown.trim_end();
    if accepted
        .iter()
        .any(|range| (range.first..=range.last).contains(&status))
    {
        return Assertion::new("status", true, shown);
    }
    let accepted: Vec<_> = accepted.iter().map(Range::to_string).collect();
    let wrong = format!("{shown} is not in {}", accepted.join(", "));
    let forwarder = forwarder.filter(|_| status == PROXY_AUTHENTICATION_REQUIRED);
    let message = match (forwarder, unauthenticated) {
        (Some(forwarder), _) => format!("{wrong}; {forwarder} or the target behind it requires a password"),
        (None, Some(reason)) => format!("{wrong}; {reason}"),
        (None, None) => wrong,
    };
    Assertion::new("status", false, message)
}

/// Evaluates the HTTP version.
pub(super) fn evaluate_version(accepted: &[Version], spoken: Version) -> Assertion {
    let shown = |version: &Version| format!("HTTP/{version}");
    let spoken_as_shown = shown(&spoken);
    if accepted.contains(&spoken) {
        return Assertion::new("version", true, spoken_as_shown);
    }
    let message = match accepted {
        [one] => format!("{spoken_as_shown}, not {}", shown(one)),
        several => {
            let several: Vec<_> = several.iter().map(shown).collect();
            format!("{spoken_as_shown} is not one of {}", several.join(", "))
        }
    };
    Assertion::new("version", false, message)
}

/// The standard reason phrase of a status (RFC 9110); a response need not contain one.
pub(crate) const fn reason_phrase(status: u16) -> Option<&'static str> {
    Some(match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => return None,
    })
}
