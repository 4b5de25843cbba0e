//! A configuration made ready: every mistake in it is found before the first connection.

use std::collections::BTreeSet;

use canary_sdk::{Duration, Error, tls};
use regex::bytes::{Regex, RegexBuilder};

use crate::config::{Config, Expect, Step};
use crate::template::Template;

/// Largest compiled pattern, in bytes.
const MAX_PATTERN_SIZE: usize = 1 << 20;

/// What to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// TLS from the first byte.
    pub(crate) tls: Option<tls::Options>,
    pub(crate) steps: Vec<Action>,
}

/// One step, made ready.
#[derive(Debug)]
pub(crate) enum Action {
    Send(Template),
    Expect(Expectation),
    StartTls(tls::Options),
}

/// What must come, made ready.
#[derive(Debug)]
pub(crate) struct Expectation {
    pub(crate) pattern: Pattern,
    pub(crate) max_bytes: usize,
    pub(crate) within: Option<Duration>,
}

/// What is looked for in what was received.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// A line that matches.
    Line(Regex),
    /// These bytes, sooner or later.
    Somewhere(Vec<u8>),
    /// These bytes next.
    Next(Vec<u8>),
}

/// What is wrong with a step.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("`expect` needs exactly one of `matches`, `contains`, `equals` and `hex`")]
    Pattern,
    #[error("the regular expression of `matches` is no good: {0}")]
    Regex(#[from] regex::Error),
    #[error("`${{{0}}}` is captured by no earlier step")]
    Unknown(String),
    #[error("a `${{` has no `}}`; write `$${{` for the text itself")]
    Unclosed,
    #[error(transparent)]
    Tls(#[from] Error),
}

impl Plan {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let tls = config.tls.as_ref().map(tls::Settings::options).transpose()?;
        let mut captured = BTreeSet::new();
        let mut steps = Vec::new();
        for (number, step) in (1..).zip(&config.dialogue) {
            let action = Action::new(step, &mut captured);
            let problem = |problem: Problem| Error::plugin(format!("step {number} of `dialogue`: {problem}"));
            steps.push(action.map_err(problem)?);
        }
        Ok(Self { tls, steps })
    }
}

impl Action {
    /// `captured` has the names of the steps before and gets those of this one.
    fn new(step: &Step, captured: &mut BTreeSet<String>) -> Result<Self, Problem> {
        match step {
            Step::Send(text) => {
                let template = Template::parse(text).map_err(|_| Problem::Unclosed)?;
                let unknown = template
                    .names()
                    .find(|name| !captured.contains(*name))
                    .map(String::from);
                unknown.map_or(Ok(Self::Send(template)), |name| Err(Problem::Unknown(name)))
            }
            Step::SendHex(hex) => Ok(Self::Send(Template::bytes(&hex.0))),
            Step::Expect(expect) => {
                let expectation = Expectation::new(expect)?;
                if let Pattern::Line(regex) = &expectation.pattern {
                    captured.extend(regex.capture_names().flatten().map(String::from));
                }
                Ok(Self::Expect(expectation))
            }
            Step::StartTls(settings) => Ok(Self::StartTls(settings.options()?)),
        }
    }

    /// The key of the step, for its assertion.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Expect(_) => "expect",
            Self::StartTls(_) => "start_tls",
        }
    }
}

impl Expectation {
    fn new(expect: &Expect) -> Result<Self, Problem> {
        let pattern = match (&expect.matches, &expect.contains, &expect.equals, &expect.hex) {
            (Some(regex), None, None, None) => Pattern::Line(compile(regex)?),
            (None, Some(text), None, None) => Pattern::Somewhere(text.clone().into_bytes()),
            (None, None, Some(text), None) => Pattern::Next(text.clone().into_bytes()),
            (None, None, None, Some(hex)) => Pattern::Next(hex.0.clone()),
            _ => return Err(Problem::Pattern),
        };
        let max_bytes = usize::try_from(expect.max_bytes.get()).unwrap_or(usize::MAX);
        Ok(Self {
            pattern,
            max_bytes,
            within: expect.within,
        })
    }
}

/// Lines are bytes: without Unicode classes a pattern compiles fast and matches what is not UTF-8.
fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(MAX_PATTERN_SIZE)
        .build()
}
