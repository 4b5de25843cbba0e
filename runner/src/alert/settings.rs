//! What an operator decides of alerts, in the `alerts` section of the runner's file.

#[cfg(test)]
mod tests;
mod ways;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::notifier::Notifier;
use crate::settings::Report;
use crate::settings::Section;
use crate::settings::Written;
use crate::status::Status;
use crate::suite::{Environment, KnownSecrets, quoted};

/// Notifiers of a runner.
const MAX_NOTIFIERS: usize = 32;
/// Characters of the name of one.
const MAX_NAME: usize = 64;
const DEFAULT_REMIND: Duration = Duration::from_hours(4);
/// From one reminder to the next.
const REMINDS: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one attempt.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(2);
const DEFAULT_MAX_AGE: Duration = Duration::from_hours(24);
/// How long a notification may wait.
const AGES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
/// What begins an alert, unless told otherwise.
const DEFAULT_ON: [Status; 2] = [Status::Down, Status::Unknown];
/// What can begin one.
const STATUSES: [(&str, Status); 3] = [
    ("down", Status::Down),
    ("degraded", Status::Degraded),
    ("unknown", Status::Unknown),
];

/// What an operator decides of alerts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// From one reminder to the next, unless a check says otherwise; nothing for none.
    pub remind: Option<Duration>,
    /// Where people find this runner; shown in messages.
    pub link: Option<Url>,
    /// By name.
    pub notifiers: Vec<Notifier>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            remind: Some(DEFAULT_REMIND),
            link: None,
            notifiers: Vec::new(),
        }
    }
}

impl Settings {
    /// Makes the secrets of each notifier known to all that look into `known`, and those known to each notifier.
    pub fn share_secrets(&mut self, known: &KnownSecrets) {
        for notifier in &mut self.notifiers {
            notifier.share_secrets(known);
        }
    }

    /// What nobody would hear of: a check that was up, and whose runs end without a verdict now.
    #[must_use]
    pub fn unheard(&self) -> Option<&'static str> {
        let mut statuses = self.notifiers.iter().flat_map(|notifier| &notifier.on);
        let is_heard = self.notifiers.is_empty() || statuses.any(|status| *status == Status::Unknown);
        (!is_heard).then_some(
            "no notifier has `unknown` in `on`: nobody is notified when a check that was up cannot be judged any more; \
             add it, or leave `on` out",
        )
    }

    /// The notifiers' names, which are all that a suite may name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.notifiers
            .iter()
            .map(|notifier| notifier.name.to_string())
            .collect()
    }
}

/// Takes the settings from the file's section. What is wrong goes to `report`: they may not be used before it has said
/// that this is nothing. PEM files are read once, to see that they are there; templates are compiled and tried.
pub fn read(mut section: Section, environment: &dyn Environment, report: &mut Report) -> Settings {
    let remind = match section.is_none("remind") {
        true => None,
        false => {
            let written = section.value("remind");
            let interval = written.and_then(|written| written.duration(REMINDS, report));
            Some(interval.unwrap_or(DEFAULT_REMIND))
        }
    };
    let link = section.text("runner", report);
    let link = link.and_then(|written| url(&written, report));
    let found = section.sections("notifiers", report);
    if found.len() > MAX_NOTIFIERS {
        let message = format!("{} notifiers; allowed: up to {MAX_NOTIFIERS}", found.len());
        report.add(section.problem(message));
    }
    section.finish(report);
    let found = found.into_iter().take(MAX_NOTIFIERS);
    let mut notifiers: Vec<Notifier> = found
        .filter_map(|(name, section)| notifier(name, section, link.as_ref(), environment, report))
        .collect();
    notifiers.sort_by(|a, b| a.name.cmp(&b.name));
    Settings {
        remind,
        link,
        notifiers,
    }
}

fn notifier(
    name: Arc<str>,
    mut section: Section,
    link: Option<&Url>,
    environment: &dyn Environment,
    report: &mut Report,
) -> Option<Notifier> {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if name.is_empty() || name.chars().nth(MAX_NAME).is_some() || !name.chars().all(is_part) {
        let problem = section.problem(format!("{} is no name of a notifier", quoted(&name)));
        report.add(problem.hint(format!(
            "a name has letters, digits, `-`, `_` and `.`, up to {MAX_NAME} of them"
        )));
    }
    let on = on(&mut section, report);
    let duration = |written: Option<Written>, range, report: &mut Report| {
        written.and_then(|written| written.duration(range, report))
    };
    let timeout = duration(section.value("timeout"), TIMEOUTS, report);
    let max_age = duration(section.value("max_age"), AGES, report);
    let way = ways::kind(&mut section, report).map(|kind| {
        let way = ways::way(kind, &mut section, link, environment, report);
        section.finish(report);
        way
    });
    Some(Notifier {
        name,
        on,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        max_age: max_age.unwrap_or(DEFAULT_MAX_AGE),
        way: way??,
    })
}

fn on(section: &mut Section, report: &mut Report) -> BTreeSet<Status> {
    let Some(words) = section.list("on", report) else {
        return DEFAULT_ON.into();
    };
    if words.is_empty() {
        let problem = section.problem("`on` is empty");
        report.add(problem.hint("leave `on` out for `[down, unknown]`, or leave the notifier out"));
    }
    let statuses = words.iter();
    let statuses = statuses.filter_map(|word| word.word("status that begins an alert", &STATUSES, report));
    statuses.collect()
}

/// An address, which no message shows: it may be a secret.
pub(super) fn url(written: &Written, report: &mut Report) -> Option<Url> {
    let url = match Url::parse(written.expose()) {
        Ok(url) => url,
        Err(error) => {
            let problem = written.problem(format!("this is no URL: {error}"));
            report.add(problem.hint("write `https://HOST/PATH`"));
            return None;
        }
    };
    let wrong = if !matches!(url.scheme(), "http" | "https") {
        ("the URL is neither `http://` nor `https://`", "write one of them")
    } else if url.fragment().is_some() {
        ("the URL holds a `#`", "leave out what follows it")
    } else if url.port() == Some(0) {
        ("the URL has the port 0", "write the receiver's")
    } else {
        return Some(url);
    };
    report.add(written.problem(wrong.0).hint(wrong.1));
    None
}
