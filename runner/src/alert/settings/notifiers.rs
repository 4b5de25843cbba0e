//! Settings of each type of notifier.

use std::io;
use std::path::PathBuf;

use http::{HeaderValue, Method};
use lettre::Address;
use lettre::message::Mailbox;
use url::Url;

use super::parse_url;
use crate::alert::alertmanager::{self, Alertmanager};
use crate::alert::email::{Email, TlsMode};
use crate::alert::http_sender::HttpSender;
use crate::alert::notifier::NotifierKind;
use crate::alert::pagerduty::{self, PagerDuty};
use crate::alert::slack::Slack;
use crate::alert::test_notification::sample;
use crate::alert::webhook::{Template, TemplateError, Webhook};
use crate::http_client::{Endpoint, Protocol, TlsFiles};
use crate::pem;
use crate::settings::{ConfigValue, Report, Section, headers, is_public};
use crate::suite::{Environment, Secrets};

/// Maximum number of recipients of one mail.
const MAX_RECIPIENTS: usize = 100;
/// Maximum bytes of a template.
const MAX_TEMPLATE: usize = 64 << 10;
/// HTTP methods with a body.
const METHODS: [(&str, BodyMethod); 3] = [
    ("POST", BodyMethod::Post),
    ("PUT", BodyMethod::Put),
    ("PATCH", BodyMethod::Patch),
];
const TLS: [(&str, TlsMode); 3] = [
    ("starttls", TlsMode::Starttls),
    ("implicit", TlsMode::Implicit),
    ("none", TlsMode::None),
];

#[derive(Clone, Copy)]
enum BodyMethod {
    Post,
    Put,
    Patch,
}

/// A type of notifier.
#[derive(Clone, Copy)]
pub(super) enum NotifierType {
    Alertmanager,
    Slack,
    PagerDuty,
    Webhook,
    Email,
}

const TYPES: [(&str, NotifierType); 5] = [
    ("alertmanager", NotifierType::Alertmanager),
    ("slack", NotifierType::Slack),
    ("pagerduty", NotifierType::PagerDuty),
    ("webhook", NotifierType::Webhook),
    ("email", NotifierType::Email),
];

/// Reads the `type` of a section, which determines the keys it may have.
pub(super) fn read_type(section: &mut Section, report: &mut Report) -> Option<NotifierType> {
    let Some(word) = section.value("type") else {
        let problem = section.problem("`type` is missing");
        report.add(problem.hint("write `alertmanager`, `slack`, `pagerduty`, `webhook` or `email`"));
        return None;
    };
    word.one_of("notifier type", &TYPES, report)
}

/// Reads the keys of this type. Reads all of them even if some are invalid, so that all problems are reported at once.
pub(super) fn read_kind(
    notifier_type: NotifierType,
    section: &mut Section,
    link: Option<&Url>,
    environment: &dyn Environment,
    report: &mut Report,
) -> Option<NotifierKind> {
    let ca = ca(section, environment, report);
    match notifier_type {
        NotifierType::Alertmanager => alertmanager(section, ca, report),
        NotifierType::Slack => {
            let sender = sender(section, ca, UrlPath::Secret, None, report);
            sender.map(|sender| NotifierKind::Slack(Slack { sender }))
        }
        NotifierType::PagerDuty => pagerduty(section, ca, report),
        NotifierType::Webhook => webhook(section, ca, link, report),
        NotifierType::Email => email(section, ca, report),
    }
}

/// How the path of a URL is treated.
#[derive(Clone, Copy)]
enum UrlPath {
    Secret,
    /// Not secret: redacting it would hide what the receiver answers.
    Public,
    /// Not secret; the URL may be omitted and has this default.
    Default(&'static str),
}

/// Reads `url` and `headers`, and collects their secrets and `key`.
fn sender(
    section: &mut Section,
    ca: Option<PathBuf>,
    path: UrlPath,
    key: Option<&ConfigValue>,
    report: &mut Report,
) -> Option<HttpSender> {
    let pairs = section.pairs("headers", report).unwrap_or_default();
    let values = pairs.iter().filter(|(name, _)| !is_public(name));
    let mut secrets: Vec<String> = values.map(|(_, value)| value.expose().to_owned()).collect();
    let headers = headers(&pairs, report);
    let setting = section.text("url", report);
    // As written in the file: the parser escapes a path, and turns backslashes into slashes.
    let path_and_query = setting
        .as_ref()
        .map(|setting| path_and_query(setting.expose()).to_owned());
    let url = match (setting, path) {
        (Some(setting), _) => parse_url(&setting, report)?,
        (None, UrlPath::Default(default)) => Url::parse(default).ok()?,
        (None, UrlPath::Secret | UrlPath::Public) => return missing(section, "url", report),
    };
    if matches!(path, UrlPath::Secret) {
        secrets.push(url.path().trim_matches('/').to_owned());
        secrets.extend(path_and_query);
    }
    let others = [url.query(), url.password(), key.map(ConfigValue::expose)];
    secrets.extend(others.into_iter().flatten().map(str::to_owned));
    Some(HttpSender {
        endpoint: Endpoint {
            url,
            tls: TlsFiles {
                ca,
                ..TlsFiles::default()
            },
            protocol: Protocol::Http1,
        },
        headers,
        secrets: Secrets::new(secrets.iter().map(String::as_str)),
    })
}

/// The path and the query of a URL.
fn path_and_query(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('/').map_or("", |(_, path)| path);
    rest.trim_matches('/')
}

fn alertmanager(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<NotifierKind> {
    let mut sender = sender(section, ca, UrlPath::Public, None, report)?;
    let url = &mut sender.endpoint.url;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(alertmanager::PATH) {
        url.set_path(&format!("{path}{}", alertmanager::PATH));
    }
    Some(NotifierKind::Alertmanager(Alertmanager { sender }))
}

fn pagerduty(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<NotifierKind> {
    let key = section.text("routing_key", report);
    let path = UrlPath::Default(pagerduty::DEFAULT_URL);
    let sender = sender(section, ca, path, key.as_ref(), report);
    let Some(key) = key else {
        return missing(section, "routing_key", report);
    };
    Some(NotifierKind::PagerDuty(PagerDuty {
        sender: sender?,
        routing_key: key.expose().to_owned(),
    }))
}

fn webhook(
    section: &mut Section,
    ca: Option<PathBuf>,
    link: Option<&Url>,
    report: &mut Report,
) -> Option<NotifierKind> {
    let sender = sender(section, ca, UrlPath::Secret, None, report);
    let method = section.value("method");
    let method = method.and_then(|setting| setting.one_of("webhook method", &METHODS, report));
    let template = section.text("template", report);
    let content_type = section.text("content_type", report);
    let content_type = content_type.and_then(|setting| {
        let value = HeaderValue::from_str(setting.expose()).ok();
        if value.is_none() {
            let problem = setting.problem(format!("invalid content type {}", setting.quoted()));
            report.add(problem.hint("for example `text/plain`"));
        }
        value
    });
    let is_json = content_type
        .as_ref()
        .is_none_or(|value| value.as_bytes().ends_with(b"json"));
    let template = template.and_then(|setting| self::template(&setting, is_json, link, report));
    Some(NotifierKind::Webhook(Webhook {
        sender: sender?,
        method: match method.unwrap_or(BodyMethod::Post) {
            BodyMethod::Post => Method::POST,
            BodyMethod::Put => Method::PUT,
            BodyMethod::Patch => Method::PATCH,
        },
        content_type,
        template,
    }))
}

/// Compiles a template and renders it for a sample with awkward texts.
fn template(
    setting: &ConfigValue,
    is_json: bool,
    link: Option<&Url>,
    report: &mut Report,
) -> Option<Template> {
    if setting.expose().len() > MAX_TEMPLATE {
        let message = format!("the template is longer than {MAX_TEMPLATE} bytes");
        report.add(setting.problem(message));
        return None;
    }
    let rendered = Template::new(setting.expose()).and_then(|template| {
        let text = template.render(&sample(std::time::SystemTime::UNIX_EPOCH), link)?;
        Ok((template, text))
    });
    match rendered {
        Ok((_, text)) if is_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
            let problem = setting.problem("the template does not render valid JSON");
            report.add(
                problem
                    .hint("write `{{ summary | tojson }}` without quotes around it, or set `content_type`"),
            );
            None
        }
        Ok((template, _)) => Some(template),
        Err(TemplateError { message, line, hint }) => {
            let line = line.map(|line| format!("line {line} of ")).unwrap_or_default();
            let problem = setting.problem(format!("{line}the template: {message}"));
            report.add(problem.maybe_hint(hint));
            None
        }
    }
}

fn email(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<NotifierKind> {
    let host = section.text("host", report);
    let tls = section.value("tls");
    let tls = tls.and_then(|setting| setting.one_of("TLS mode", &TLS, report));
    let tls = tls.unwrap_or(TlsMode::Starttls);
    let port = section
        .value("port")
        .and_then(|setting| setting.count(1..=65_535, report));
    let login = login(section, report);
    let from = section.text("from", report);
    let from = match from {
        Some(setting) => mailbox(&setting, report),
        None => missing(section, "from", report),
    };
    let to = recipients(section, report);
    let Some(host) = host else {
        return missing(section, "host", report);
    };
    let secrets = login.as_ref().map(|(_, password)| password.as_str());
    Some(NotifierKind::Email(Email {
        host: host.expose().to_owned(),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(tls.port()),
        tls,
        secrets: Secrets::new(secrets),
        login,
        from: from?,
        to,
        files: TlsFiles {
            ca,
            ..TlsFiles::default()
        },
    }))
}

/// Reads `user` and `password`: both or neither.
fn login(section: &mut Section, report: &mut Report) -> Option<(String, String)> {
    let user = section.text("user", report);
    let password = section.text("password", report);
    match (user, password) {
        (Some(user), Some(password)) => Some((user.expose().to_owned(), password.expose().to_owned())),
        (Some(user), None) => {
            report.add(user.problem("requires `password`"));
            None
        }
        (None, Some(password)) => {
            report.add(password.problem("requires `user`"));
            None
        }
        (None, None) => None,
    }
}

fn recipients(section: &mut Section, report: &mut Report) -> Vec<Mailbox> {
    let setting = match section.value("to") {
        Some(one) => vec![one],
        None => section.list("to", report).unwrap_or_default(),
    };
    if setting.is_empty() {
        let problem = section.problem("`to` is missing");
        report.add(problem.hint("write `to: [oncall@example.com]`"));
    }
    if let Some(one) = setting.get(MAX_RECIPIENTS) {
        let message = format!("{} recipients; allowed: up to {MAX_RECIPIENTS}", setting.len());
        report.add(one.problem(message));
    }
    let recipients = setting.iter().take(MAX_RECIPIENTS);
    recipients
        .filter_map(|setting| mailbox(setting, report))
        .collect()
}

/// Parses `oncall@example.com` or `On call <oncall@example.com>`.
fn mailbox(setting: &ConfigValue, report: &mut Report) -> Option<Mailbox> {
    let text = setting.expose();
    let mailbox = text.parse::<Mailbox>().ok();
    let mailbox = mailbox.or_else(|| Some(Mailbox::new(None, text.parse::<Address>().ok()?)));
    if mailbox.is_none() {
        let problem = setting.problem(format!("invalid email address {}", setting.quoted()));
        report.add(problem.hint("write `oncall@example.com` or `On call <oncall@example.com>`"));
    }
    mailbox
}

fn ca(section: &mut Section, environment: &dyn Environment, report: &mut Report) -> Option<PathBuf> {
    let setting = section.text("ca", report)?;
    let path = setting.path(report);
    let reason = match environment.file(&path) {
        Ok(bytes) => match pem::certificates(&bytes, 1) {
            Ok(_) => return Some(path),
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    };
    report.add(setting.problem(format!("the file {} {reason}", setting.quoted_path())));
    None
}

fn missing<T>(section: &Section, key: &str, report: &mut Report) -> Option<T> {
    report.add(section.problem(format!("`{key}` is missing")));
    None
}
