//! Generic webhook: any URL, with an optional template for the body.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Method};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use url::Url;

use super::http_sender::{Body, HttpSender};
use super::notification::Notification;
use crate::suite::{quoted, suggest};

/// Template instructions, including 1 for each 64 bytes of output, so that an endless loop is an error and not a hang.
const MAX_FUEL: u64 = 50_000;
/// Maximum recursion depth of a template.
const MAX_RECURSION: usize = 32;
/// Name of a template in its own error messages.
const NAME: &str = "template";
/// Variables of a template: the keys of the default body.
const KEYS: [&str; 20] = [
    "id",
    "alert",
    "event",
    "title",
    "summary",
    "check",
    "name",
    "target",
    "plugin",
    "labels",
    "description",
    "runbook_url",
    "expect_failure",
    "status",
    "previous",
    "since",
    "at",
    "lasted_seconds",
    "consecutive_failures",
    "link",
];

/// A webhook receiver.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) sender: HttpSender,
    pub(super) method: Method,
    /// `Content-Type` of the body; JSON if absent.
    pub(super) content_type: Option<HeaderValue>,
    /// Template of the body; if absent, the notification as JSON.
    pub(super) template: Option<Template>,
}

/// A template that compiled and rendered once.
#[derive(Clone)]
pub(super) struct Template(Arc<Environment<'static>>);

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

/// The default body, whose keys are the variables of a template.
#[derive(Debug, Serialize)]
struct Payload<'a> {
    id: String,
    alert: &'a str,
    event: &'static str,
    title: String,
    summary: &'a str,
    check: &'a str,
    name: &'a str,
    target: &'a str,
    plugin: &'a str,
    labels: &'a BTreeMap<String, String>,
    description: Option<&'a str>,
    runbook_url: Option<&'a str>,
    expect_failure: bool,
    status: &'static str,
    previous: Option<&'static str>,
    since: String,
    at: String,
    lasted_seconds: u64,
    consecutive_failures: u64,
    link: Option<&'a str>,
}

/// Why a template is invalid.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) message: String,
    /// Line of the template, from 1.
    pub(super) line: Option<usize>,
    pub(super) hint: Option<String>,
}

impl From<minijinja::Error> for TemplateError {
    fn from(error: minijinja::Error) -> Self {
        let kind = error.kind().to_string();
        Self {
            message: match error.detail() {
                Some(detail) => format!("{kind}: {detail}"),
                None => kind,
            },
            line: error.line(),
            hint: None,
        }
    }
}

impl Template {
    pub(super) fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(MAX_FUEL));
        environment.set_recursion_limit(MAX_RECURSION);
        // A misspelt variable is an error at start, and not an empty alert at night.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template_owned(NAME, source.to_owned())?;
        // Filters accept undefined variables, so rendering alone does not find them.
        let named = environment.get_template(NAME)?.undeclared_variables(false);
        let is_known = |name: &String| {
            KEYS.contains(&name.as_str()) || environment.globals().any(|(global, _)| global == name)
        };
        // The smallest one, so that the message is deterministic.
        match named.iter().filter(|name| !is_known(name)).min() {
            Some(name) => Err(TemplateError {
                message: format!("unknown variable {}", quoted(name)),
                line: None,
                hint: suggest::hint(name, KEYS),
            }),
            None => Ok(Self(Arc::new(environment))),
        }
    }

    pub(super) fn render(
        &self,
        notification: &Notification,
        link: Option<&Url>,
    ) -> Result<String, TemplateError> {
        let template = self.0.get_template(NAME)?;
        Ok(template.render(Serde(payload(notification, link)))?)
    }
}

/// The body of a request.
///
/// # Errors
/// The template does not render for this notification, though it did for the sample.
pub(super) fn body(
    webhook: &Webhook,
    notification: &Notification,
    link: Option<&Url>,
) -> Result<Body, TemplateError> {
    let mut body = Body {
        method: webhook.method.clone(),
        ..Body::json(&payload(notification, link))
    };
    if let Some(content_type) = &webhook.content_type {
        body.content_type = content_type.clone();
    }
    Ok(match &webhook.template {
        None => body,
        Some(template) => Body {
            text: template.render(notification, link)?,
            ..body
        },
    })
}

fn payload<'a>(notification: &'a Notification, link: Option<&'a Url>) -> Payload<'a> {
    let time = |moment: SystemTime| humantime::format_rfc3339_millis(moment).to_string();
    let check = &notification.check;
    Payload {
        id: notification.id(),
        alert: &notification.alert,
        event: notification.event.as_str(),
        title: notification.title(),
        summary: &notification.summary,
        check: &check.id,
        name: &check.name,
        target: &check.target,
        plugin: &check.plugin,
        labels: &check.labels,
        description: check.description.as_deref(),
        runbook_url: check.runbook_url.as_deref(),
        expect_failure: check.expect_failure,
        status: notification.status.as_str(),
        previous: notification.previous.map(crate::status::Status::as_str),
        since: time(notification.since),
        at: time(notification.at),
        lasted_seconds: notification.lasted().as_secs(),
        consecutive_failures: notification.consecutive_failures,
        link: link.map(Url::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::test_notification::sample;

    #[test]
    fn a_template_can_name_every_key_of_the_default_body_and_nothing_else() {
        let sample = sample(SystemTime::UNIX_EPOCH);
        let body = serde_json::to_value(payload(&sample, None)).unwrap();
        let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = KEYS;
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
    }
}
