//! A compiled configuration: every mistake in it is found before the first connection.

mod need;

use std::collections::BTreeSet;

use canary_sdk::{Duration, Problems, pattern_reason, tls};
use regex::bytes::{Regex, RegexBuilder};

use crate::config::{Config, Expect, Step};
use crate::template::Template;
use need::Need;

/// Maximum size of a compiled pattern, in bytes.
const MAX_PATTERN_SIZE: usize = 1 << 20;

/// A compiled configuration.
#[derive(Debug)]
pub(crate) struct Plan {
    /// TLS from the first byte.
    pub(crate) tls: Option<tls::Options>,
    pub(crate) steps: Vec<Action>,
}

/// A compiled step.
#[derive(Debug)]
pub(crate) enum Action {
    Send(Template),
    Expect(Expectation),
    StartTls(tls::Options),
}

/// A compiled expectation.
#[derive(Debug)]
pub(crate) struct Expectation {
    pub(crate) pattern: Pattern,
    pub(crate) max_bytes: usize,
    pub(crate) within: Option<Duration>,
}

/// What is searched in the received data.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// A matching line.
    Line(Regex),
    /// These bytes, anywhere.
    Somewhere(Vec<u8>),
    /// These bytes next.
    Next(Vec<u8>),
}

/// The state while a plan is built step by step.
#[derive(Default)]
struct Progress {
    /// Names that the steps so far capture.
    captured: BTreeSet<String>,
    /// Whether the connection uses TLS by now.
    is_tls: bool,
}

impl Plan {
    /// Compiles a configuration; every step that cannot be compiled is reported and left out.
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        let tls = problems.at("tls", |problems| start_tls(config.tls.as_ref()?, problems));
        let mut progress = Progress {
            is_tls: config.tls.is_some(),
            ..Progress::default()
        };
        let mut steps = Vec::new();
        problems.at("dialogue", |problems| {
            for (index, step) in config.dialogue.iter().enumerate() {
                let action = problems.at_index(index, |problems| progress.action(step, problems));
                steps.extend(action);
            }
        });
        Self { tls, steps }
    }
}

fn start_tls(settings: &tls::Settings, problems: &mut Problems) -> Option<tls::Options> {
    settings.check_identity(problems);
    settings.options().ok()
}

impl Progress {
    fn action(&mut self, step: &Step, problems: &mut Problems) -> Option<Action> {
        match step {
            Step::Send(text) => problems.at("send", |problems| self.send(text, problems)),
            Step::SendHex(hex) => Some(Action::Send(Template::bytes(&hex.0))),
            Step::Expect(expect) => problems.at("expect", |problems| {
                let expectation = Expectation::new(expect, problems)?;
                if let Pattern::Line(regex) = &expectation.pattern {
                    let names = regex.capture_names().flatten();
                    self.captured.extend(names.map(String::from));
                }
                Some(Action::Expect(expectation))
            }),
            Step::StartTls(settings) => problems.at("start_tls", |problems| {
                if std::mem::replace(&mut self.is_tls, true) {
                    problems.report("the connection already uses TLS");
                }
                start_tls(settings, problems).map(Action::StartTls)
            }),
        }
    }

    fn send(&self, text: &str, problems: &mut Problems) -> Option<Action> {
        if text.is_empty() {
            problems.report("there is nothing to send");
        }
        let Ok(template) = Template::parse(text) else {
            problems.report_with("unclosed `${`", "write `$${` for a literal `${`");
            return None;
        };
        for name in template.names().filter(|name| !self.captured.contains(*name)) {
            problems.report_with(
                format_args!("`${{{name}}}` is not captured by an earlier step"),
                "a step before it captures with `expect: { matches: \"(?<NAME>..)\" }`",
            );
        }
        Some(Action::Send(template))
    }
}

impl Action {
    /// The key of the step, for its assertion.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Expect(_) => "expect",
            Self::StartTls(_) => "start_tls",
        }
    }
}

impl Expectation {
    fn new(expect: &Expect, problems: &mut Problems) -> Option<Self> {
        let max_bytes = usize::try_from(expect.max_bytes.get()).unwrap_or(usize::MAX);
        let text = |key: &str, bytes: &[u8], problems: &mut Problems| {
            if bytes.len() > max_bytes {
                problems.at(key, |problems| {
                    problems.report_with(
                        format_args!("is longer than `max_bytes` ({})", expect.max_bytes),
                        "raise `max_bytes`",
                    );
                });
            }
            bytes.to_vec()
        };
        let pattern = match (&expect.matches, &expect.contains, &expect.equals, &expect.hex) {
            (Some(regex), None, None, None) => problems.at("matches", |problems| compile(regex, problems))?,
            (None, Some(bytes), None, None) => {
                Pattern::Somewhere(text("contains", bytes.as_bytes(), problems))
            }
            (None, None, Some(bytes), None) => Pattern::Next(text("equals", bytes.as_bytes(), problems)),
            (None, None, None, Some(hex)) => Pattern::Next(text("hex", &hex.0, problems)),
            _ => {
                problems.report("needs exactly one of `matches`, `contains`, `equals` and `hex`");
                return None;
            }
        };
        if max_bytes == 0 {
            problems.at("max_bytes", |problems| problems.report("must be more than 0"));
        }
        if expect.within.is_some_and(|within| within.get().is_zero()) {
            problems.at("within", |problems| problems.report("must be more than 0"));
        }
        Some(Self {
            pattern,
            max_bytes,
            within: expect.within,
        })
    }
}

/// Lines are bytes: without Unicode classes a pattern compiles fast and matches what is not UTF-8.
fn compile(pattern: &str, problems: &mut Problems) -> Option<Pattern> {
    let mut builder = RegexBuilder::new(pattern);
    match builder.unicode(false).size_limit(MAX_PATTERN_SIZE).build() {
        Ok(regex) => {
            match Need::of(pattern) {
                Some(Need::Nothing) => problems.report("no text matches this pattern: it has an empty class"),
                Some(Need::LineFeed) => problems.report_with(
                    "a line is compared without its end, so nothing matches `\\n`",
                    "leave `\\r\\n` out: `$` is the end of a line",
                ),
                None => {}
            }
            Some(Pattern::Line(regex))
        }
        Err(regex::Error::CompiledTooBig(_)) => {
            problems.report("the compiled pattern exceeds the size limit of 1 MiB");
            None
        }
        Err(error) => {
            let reason = pattern_reason(&error.to_string()).to_owned();
            problems.report(format_args!("not a regular expression for bytes: {reason}"));
            None
        }
    }
}
