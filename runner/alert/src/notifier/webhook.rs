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

use super::keys::{Keys, UrlPath};
use crate::delivery_result::{DeliveryResult, Failure};
use crate::http_sender::{Body, HttpSender};
use crate::notification::Notification;
use crate::notify::{Attempt, Notify, Sending};
use crate::sample_notification::sample;
use canary_settings::ConfigValue;
use canary_suite::{quoted, suggest};

/// Maximum bytes of a template.
const MAX_TEMPLATE: usize = 64 << 10;
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

/// HTTP methods with a body.
const METHODS: [(&str, BodyMethod); 3] = [
    ("POST", BodyMethod::Post),
    ("PUT", BodyMethod::Put),
    ("PATCH", BodyMethod::Patch),
];

#[derive(Clone, Copy)]
enum BodyMethod {
    Post,
    Put,
    Patch,
}

/// A webhook receiver.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    sender: HttpSender,
    method: Method,
    /// `Content-Type` of the body; JSON if absent.
    content_type: Option<HeaderValue>,
    /// Template of the body; if absent, the notification as JSON.
    template: Option<Template>,
}

/// A template that compiled and rendered once.
#[derive(Clone)]
struct Template(Arc<Environment<'static>>);

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
pub(crate) struct TemplateError {
    message: String,
    /// Line of the template, from 1.
    line: Option<usize>,
    hint: Option<String>,
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

impl Webhook {
    pub(crate) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let sender = keys.http_sender(UrlPath::Secret);
        let method = keys.section.value("method");
        let method = method.and_then(|setting| setting.one_of("webhook method", &METHODS, keys.report));
        let template = keys.section.text("template", keys.report);
        let content_type = keys.section.text("content_type", keys.report);
        let content_type = content_type.and_then(|setting| {
            let value = HeaderValue::from_str(setting.expose()).ok();
            if value.is_none() {
                let problem = setting.problem(format!("invalid content type {}", setting.quoted()));
                keys.report.add(problem.hint("for example `text/plain`"));
            }
            value
        });
        let is_json = content_type
            .as_ref()
            .is_none_or(|value| value.as_bytes().ends_with(b"json"));
        let template = template.and_then(|setting| Template::read(&setting, is_json, keys));
        Some(Self {
            sender: sender?,
            method: match method.unwrap_or(BodyMethod::Post) {
                BodyMethod::Post => Method::POST,
                BodyMethod::Put => Method::PUT,
                BodyMethod::Patch => Method::PATCH,
            },
            content_type,
            template,
        })
    }
}

impl Notify for Webhook {
    fn send<'a>(&'a self, notification: &'a Notification, attempt: Attempt<'a>) -> Sending<'a> {
        match body(self, notification, attempt.link) {
            Ok(body) => Box::pin(self.sender.send(body, attempt)),
            Err(error) => {
                let failure = Failure {
                    code: "template".into(),
                    message: format!("cannot render the template: {}", error.message),
                };
                Box::pin(std::future::ready(DeliveryResult::Rejected(failure)))
            }
        }
    }
}

impl Template {
    /// Compiles a template and renders it for a sample with awkward texts.
    fn read(setting: &ConfigValue, is_json: bool, keys: &mut Keys<'_>) -> Option<Self> {
        if setting.expose().len() > MAX_TEMPLATE {
            let message = format!("the template is longer than {MAX_TEMPLATE} bytes");
            keys.report.add(setting.problem(message));
            return None;
        }
        let rendered = Self::new(setting.expose()).and_then(|template| {
            let text = template.render(&sample(SystemTime::UNIX_EPOCH), keys.link)?;
            Ok((template, text))
        });
        let problem = match rendered {
            Ok((_, text)) if is_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
                let problem = setting.problem("the template does not render valid JSON");
                problem.hint("write `{{ summary | tojson }}` without quotes around it, or set `content_type`")
            }
            Ok((template, _)) => return Some(template),
            Err(TemplateError { message, line, hint }) => {
                let line = line.map(|line| format!("line {line} of ")).unwrap_or_default();
                let problem = setting.problem(format!("{line}the template: {message}"));
                problem.maybe_hint(hint)
            }
        };
        keys.report.add(problem);
        None
    }

    fn new(source: &str) -> Result<Self, TemplateError> {
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

    fn render(&self, notification: &Notification, link: Option<&Url>) -> Result<String, TemplateError> {
        let template = self.0.get_template(NAME)?;
        Ok(template.render(Serde(payload(notification, link)))?)
    }
}

/// The body of a request.
///
/// # Errors
/// The template does not render for this notification, though it did for the sample.
pub(crate) fn body(
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
        previous: notification.previous.map(canary_run::status::Status::as_str),
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
