//! Any address that takes a request, with a body by a template of the operator's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Method};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use url::Url;

use super::endpoint::{Body, Endpoint};
use super::notification::Notification;
use crate::suite::quoted;
use crate::suite::suggest;

/// Instructions of a template, and its output by 64 bytes: a loop without an end is a mistake, not a hang.
const FUEL: u64 = 50_000;
/// Depth of what a template calls.
const RECURSION: usize = 32;
/// What a template is called in its own messages.
const NAME: &str = "template";
/// What a template can name: the keys of the default body.
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

/// Somebody's own receiver.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// Of the body; absent: JSON.
    pub(super) content_type: Option<HeaderValue>,
    /// Absent: the notification as JSON.
    pub(super) template: Option<Template>,
}

/// A template that compiled, and rendered once.
#[derive(Clone)]
pub(super) struct Template(Arc<Environment<'static>>);

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

/// The default body, and what a template can name.
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

/// What is wrong with a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    pub(super) message: String,
    /// Of the template, from 1.
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
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        // A misspelt name is an error at start, and not an empty alarm at night.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template_owned(NAME, source.to_owned())?;
        // A filter takes what is not there for nothing, so that rendering alone does not tell.
        let named = environment.get_template(NAME)?.undeclared_variables(false);
        let is_known = |name: &String| {
            KEYS.contains(&name.as_str()) || environment.globals().any(|(global, _)| global == name)
        };
        // The same one each time.
        match named.iter().filter(|name| !is_known(name)).min() {
            Some(name) => Err(TemplateError {
                message: format!("there is no {}", quoted(name)),
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

/// The request's body.
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
        event: notification.event.word(),
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
        status: notification.status.word(),
        previous: notification.previous.map(crate::status::Status::word),
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
    use crate::alert::trial::sample;

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
