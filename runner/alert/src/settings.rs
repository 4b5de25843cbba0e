//! Settings of alerting: the `alerts` section of the configuration.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::notifier::{Keys, Notifier, NotifierType, parse_url};
use canary_run::status::Status;
use canary_settings::{ConfigValue, Report, Section};
use canary_suite::{Environment, SecretRegistry, quoted};

/// Maximum number of notifiers.
const MAX_NOTIFIERS: usize = 32;
/// Maximum characters of a notifier's name.
const MAX_NAME: usize = 64;
const DEFAULT_REPEAT_INTERVAL: Duration = Duration::from_hours(4);
/// Allowed intervals between reminders.
const REPEAT_INTERVALS: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Allowed time-outs of one attempt.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(2);
const DEFAULT_MAX_AGE: Duration = Duration::from_hours(24);
/// Allowed times that a notification may be queued.
const MAX_AGES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
/// Statuses that begin an alert by default.
const DEFAULT_STATUSES: [Status; 2] = [Status::Down, Status::Unknown];
/// Statuses that can begin an alert.
const STATUSES: [(&str, Status); 3] = [
    ("down", Status::Down),
    ("degraded", Status::Degraded),
    ("unknown", Status::Unknown),
];

/// Settings of alerting.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Default interval between reminders; none for no reminders.
    pub repeat_interval: Option<Duration>,
    /// External URL of this instance, shown in messages.
    pub external_url: Option<Url>,
    /// Sorted by name.
    pub notifiers: Vec<Notifier>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            repeat_interval: Some(DEFAULT_REPEAT_INTERVAL),
            external_url: None,
            notifiers: Vec::new(),
        }
    }
}

impl Settings {
    /// Shares the secrets of each notifier with all users of `known`, and those of `known` with each notifier.
    pub fn share_secrets(&mut self, known: &SecretRegistry) {
        for notifier in &mut self.notifiers {
            notifier.share_secrets(known);
        }
    }

    /// A warning if no notifier subscribes to `unknown`: nobody would be notified of a check without verdicts.
    #[must_use]
    pub fn unnoticed_status(&self) -> Option<&'static str> {
        let mut statuses = self.notifiers.iter().flat_map(|notifier| &notifier.statuses);
        let is_noticed = self.notifiers.is_empty() || statuses.any(|status| *status == Status::Unknown);
        (!is_noticed).then_some(
            "no notifier has `unknown` in `statuses`: no notification is sent when a check becomes unknown; add \
             it, or leave `statuses` out",
        )
    }

    /// The notifiers' names, which a suite may refer to.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.notifiers
            .iter()
            .map(|notifier| notifier.name.to_string())
            .collect()
    }
}

/// Reads the `alerts` section. Problems are added to `report`; the settings may be used only if it has none. PEM files
/// are read once to validate them; templates are compiled and rendered once.
pub fn read(mut section: Section, environment: &dyn Environment, report: &mut Report) -> Settings {
    let repeat_interval = if section.is_none("repeat_interval") {
        None
    } else {
        let value = section.value("repeat_interval");
        let interval = value.and_then(|value| value.duration(REPEAT_INTERVALS, report));
        Some(interval.unwrap_or(DEFAULT_REPEAT_INTERVAL))
    };
    let external_url = section.text("external_url", report);
    let external_url = external_url.and_then(|setting| parse_url(&setting, report));
    let found = section.sections("notifiers", report);
    if found.len() > MAX_NOTIFIERS {
        let message = format!("{} notifiers; allowed: up to {MAX_NOTIFIERS}", found.len());
        report.add(section.problem(message));
    }
    section.finish(report);
    let found = found.into_iter().take(MAX_NOTIFIERS);
    let mut notifiers: Vec<Notifier> = found
        .filter_map(|(name, section)| notifier(name, section, external_url.as_ref(), environment, report))
        .collect();
    notifiers.sort_by(|a, b| a.name.cmp(&b.name));
    Settings {
        repeat_interval,
        external_url,
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
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if name.is_empty() || name.chars().nth(MAX_NAME).is_some() || !name.chars().all(is_allowed) {
        let problem = section.problem(format!("invalid notifier name {}", quoted(&name)));
        report.add(problem.hint(format!(
            "use letters, digits, `-`, `_` and `.`, up to {MAX_NAME} characters"
        )));
    }
    let statuses = statuses(&mut section, report);
    let duration = |setting: Option<ConfigValue>, range, report: &mut Report| {
        setting.and_then(|setting| setting.duration(range, report))
    };
    let timeout = duration(section.value("timeout"), TIMEOUTS, report);
    let max_age = duration(section.value("max_age"), MAX_AGES, report);
    let found = NotifierType::of(&mut section, report).map(|(name, read)| {
        let mut keys = Keys::new(&mut section, link, environment, report);
        let service = read(&mut keys);
        let secrets = keys.secrets();
        section.finish(report);
        service.map(|service| (name, secrets, service))
    });
    let (type_name, secrets, service) = found??;
    Some(Notifier {
        name,
        statuses,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        max_age: max_age.unwrap_or(DEFAULT_MAX_AGE),
        type_name,
        secrets,
        service,
    })
}

fn statuses(section: &mut Section, report: &mut Report) -> BTreeSet<Status> {
    let Some(words) = section.list("statuses", report) else {
        return DEFAULT_STATUSES.into();
    };
    if words.is_empty() {
        let problem = section.problem("`statuses` is empty");
        report.add(problem.hint("leave `statuses` out for `[down, unknown]`, or leave the notifier out"));
    }
    let statuses = words.iter();
    let statuses = statuses.filter_map(|word| word.one_of("alert status", &STATUSES, report));
    statuses.collect()
}
