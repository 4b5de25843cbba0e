//! The keys of each type of notifier.

use std::io;
use std::path::PathBuf;

use http::{HeaderValue, Method};
use lettre::Address;
use lettre::message::Mailbox;
use url::Url;

use super::url;
use crate::alert::alertmanager::{self, Alertmanager};
use crate::alert::email::{Email, TlsMode};
use crate::alert::endpoint::Endpoint;
use crate::alert::notifier::Way;
use crate::alert::pagerduty::{self, PagerDuty};
use crate::alert::slack::Slack;
use crate::alert::trial::sample;
use crate::alert::webhook::{Template, TemplateError, Webhook};
use crate::pem;
use crate::settings::Report;
use crate::settings::Section;
use crate::settings::Written;
use crate::settings::{headers, is_public};
use crate::suite::Environment;
use crate::suite::Secrets;
use crate::wire::Place;
use crate::wire::Protocol;
use crate::wire::TlsFiles;

/// Receivers of one mail.
const MAX_RECEIVERS: usize = 100;
/// Bytes of a template.
const MAX_TEMPLATE: usize = 64 << 10;
/// Methods that carry a body.
const METHODS: [(&str, Kind); 3] = [("POST", Kind::Post), ("PUT", Kind::Put), ("PATCH", Kind::Patch)];
const TLS: [(&str, TlsMode); 3] = [
    ("starttls", TlsMode::Starttls),
    ("implicit", TlsMode::Implicit),
    ("none", TlsMode::None),
];

#[derive(Clone, Copy)]
enum Kind {
    Post,
    Put,
    Patch,
}

/// A type of notifier.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Alertmanager,
    Slack,
    PagerDuty,
    Webhook,
    Email,
}

const TYPES: [(&str, Type); 5] = [
    ("alertmanager", Type::Alertmanager),
    ("slack", Type::Slack),
    ("pagerduty", Type::PagerDuty),
    ("webhook", Type::Webhook),
    ("email", Type::Email),
];

/// The type that a section is of; which keys it may have depends on that.
pub(super) fn kind(section: &mut Section, report: &mut Report) -> Option<Type> {
    let Some(word) = section.value("type") else {
        let problem = section.problem("`type` is missing");
        report.add(problem.hint("write `alertmanager`, `slack`, `pagerduty`, `webhook` or `email`"));
        return None;
    };
    word.word("type of a notifier", &TYPES, report)
}

/// What a section says of its type. Asks for every key that there is, whatever is wrong with others.
pub(super) fn way(
    kind: Type,
    section: &mut Section,
    link: Option<&Url>,
    environment: &dyn Environment,
    report: &mut Report,
) -> Option<Way> {
    let ca = ca(section, environment, report);
    match kind {
        Type::Alertmanager => alertmanager(section, ca, report),
        Type::Slack => {
            let endpoint = endpoint(section, ca, UrlPath::Secret, None, report);
            endpoint.map(|endpoint| Way::Slack(Slack { endpoint }))
        }
        Type::PagerDuty => pagerduty(section, ca, report),
        Type::Webhook => webhook(section, ca, link, report),
        Type::Email => email(section, ca, report),
    }
}

/// What the path of a URL is.
#[derive(Clone, Copy)]
enum UrlPath {
    Secret,
    /// Known to everybody: as a secret it would hide what the receiver says of itself.
    Public,
    /// The same, and so is the URL, unless there is another.
    Usual(&'static str),
}

/// `url` and `headers`, and what of them is secret, besides `key`.
fn endpoint(
    section: &mut Section,
    ca: Option<PathBuf>,
    path: UrlPath,
    key: Option<&Written>,
    report: &mut Report,
) -> Option<Endpoint> {
    let pairs = section.pairs("headers", report).unwrap_or_default();
    let values = pairs.iter().filter(|(name, _)| !is_public(name));
    let mut secrets: Vec<String> = values.map(|(_, value)| value.expose().to_owned()).collect();
    let headers = headers(&pairs, report);
    let written = section.text("url", report);
    // As written: the parser escapes a path, and takes a backslash for a slash.
    let behind_host = written
        .as_ref()
        .map(|written| behind_host(written.expose()).to_owned());
    let url = match (written, path) {
        (Some(written), _) => url(&written, report)?,
        (None, UrlPath::Usual(usual)) => Url::parse(usual).ok()?,
        (None, UrlPath::Secret | UrlPath::Public) => return missing(section, "url", report),
    };
    if matches!(path, UrlPath::Secret) {
        secrets.push(url.path().trim_matches('/').to_owned());
        secrets.extend(behind_host);
    }
    let others = [url.query(), url.password(), key.map(Written::expose)];
    secrets.extend(others.into_iter().flatten().map(str::to_owned));
    Some(Endpoint {
        place: Place {
            url,
            tls: TlsFiles {
                ca,
                ..TlsFiles::default()
            },
            protocol: Protocol::Http1,
        },
        headers,
        secrets: Secrets::of(secrets.iter().map(String::as_str)),
    })
}

/// The path of a URL and what comes after it.
fn behind_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('/').map_or("", |(_, path)| path);
    rest.trim_matches('/')
}

fn alertmanager(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<Way> {
    let mut endpoint = endpoint(section, ca, UrlPath::Public, None, report)?;
    let url = &mut endpoint.place.url;
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(alertmanager::PATH) {
        url.set_path(&format!("{path}{}", alertmanager::PATH));
    }
    Some(Way::Alertmanager(Alertmanager { endpoint }))
}

fn pagerduty(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<Way> {
    let key = section.text("routing_key", report);
    let path = UrlPath::Usual(pagerduty::ADDRESS);
    let endpoint = endpoint(section, ca, path, key.as_ref(), report);
    let Some(key) = key else {
        return missing(section, "routing_key", report);
    };
    Some(Way::PagerDuty(PagerDuty {
        endpoint: endpoint?,
        routing_key: key.expose().to_owned(),
    }))
}

fn webhook(
    section: &mut Section,
    ca: Option<PathBuf>,
    link: Option<&Url>,
    report: &mut Report,
) -> Option<Way> {
    let endpoint = endpoint(section, ca, UrlPath::Secret, None, report);
    let method = section.value("method");
    let method = method.and_then(|written| written.word("method that carries a body", &METHODS, report));
    let template = section.text("template", report);
    let content_type = section.text("content_type", report);
    let content_type = content_type.and_then(|written| {
        let value = HeaderValue::from_str(written.expose()).ok();
        if value.is_none() {
            let problem = written.problem(format!("{} is no type of content", written.quoted()));
            report.add(problem.hint("write one such as `text/plain`"));
        }
        value
    });
    let is_json = content_type
        .as_ref()
        .is_none_or(|value| value.as_bytes().ends_with(b"json"));
    let template = template.and_then(|written| self::template(&written, is_json, link, report));
    Some(Way::Webhook(Webhook {
        endpoint: endpoint?,
        method: match method.unwrap_or(Kind::Post) {
            Kind::Post => Method::POST,
            Kind::Put => Method::PUT,
            Kind::Patch => Method::PATCH,
        },
        content_type,
        template,
    }))
}

/// Compiles a template and renders it for the sample, whose texts are as awkward as a plugin can make them.
fn template(written: &Written, is_json: bool, link: Option<&Url>, report: &mut Report) -> Option<Template> {
    if written.expose().len() > MAX_TEMPLATE {
        let message = format!("the template is longer than {MAX_TEMPLATE} bytes");
        report.add(written.problem(message));
        return None;
    }
    let rendered = Template::new(written.expose()).and_then(|template| {
        let text = template.render(&sample(std::time::SystemTime::UNIX_EPOCH), link)?;
        Ok((template, text))
    });
    match rendered {
        Ok((_, text)) if is_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
            let problem = written.problem("the template makes no JSON");
            report.add(
                problem
                    .hint("write `{{ summary | tojson }}` without quotes around it, or set `content_type`"),
            );
            None
        }
        Ok((template, _)) => Some(template),
        Err(TemplateError { message, line, hint }) => {
            let line = line.map(|line| format!("line {line} of ")).unwrap_or_default();
            let problem = written.problem(format!("{line}the template: {message}"));
            report.add(problem.maybe_hint(hint));
            None
        }
    }
}

fn email(section: &mut Section, ca: Option<PathBuf>, report: &mut Report) -> Option<Way> {
    let host = section.text("host", report);
    let tls = section.value("tls");
    let tls = tls.and_then(|written| written.word("way to protect a session", &TLS, report));
    let tls = tls.unwrap_or(TlsMode::Starttls);
    let port = section
        .value("port")
        .and_then(|written| written.count(1..=65_535, report));
    let login = login(section, report);
    let from = section.text("from", report);
    let from = match from {
        Some(written) => mailbox(&written, report),
        None => missing(section, "from", report),
    };
    let to = receivers(section, report);
    let Some(host) = host else {
        return missing(section, "host", report);
    };
    let secrets = login.as_ref().map(|(_, password)| password.as_str());
    Some(Way::Email(Email {
        host: host.expose().to_owned(),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(tls.port()),
        tls,
        secrets: Secrets::of(secrets),
        login,
        from: from?,
        to,
        files: TlsFiles {
            ca,
            ..TlsFiles::default()
        },
    }))
}

/// `user` and `password`, both or none.
fn login(section: &mut Section, report: &mut Report) -> Option<(String, String)> {
    let user = section.text("user", report);
    let password = section.text("password", report);
    match (user, password) {
        (Some(user), Some(password)) => Some((user.expose().to_owned(), password.expose().to_owned())),
        (Some(user), None) => {
            report.add(user.problem("there is no `password` to it"));
            None
        }
        (None, Some(password)) => {
            report.add(password.problem("there is no `user` to it"));
            None
        }
        (None, None) => None,
    }
}

fn receivers(section: &mut Section, report: &mut Report) -> Vec<Mailbox> {
    let written = match section.value("to") {
        Some(one) => vec![one],
        None => section.list("to", report).unwrap_or_default(),
    };
    if written.is_empty() {
        let problem = section.problem("`to` is missing");
        report.add(problem.hint("write `to: [oncall@example.com]`"));
    }
    if let Some(one) = written.get(MAX_RECEIVERS) {
        let message = format!("{} receivers; allowed: up to {MAX_RECEIVERS}", written.len());
        report.add(one.problem(message));
    }
    let receivers = written.iter().take(MAX_RECEIVERS);
    receivers.filter_map(|written| mailbox(written, report)).collect()
}

/// `oncall@example.com`, or `On call <oncall@example.com>`.
fn mailbox(written: &Written, report: &mut Report) -> Option<Mailbox> {
    let text = written.expose();
    let mailbox = text.parse::<Mailbox>().ok();
    let mailbox = mailbox.or_else(|| Some(Mailbox::new(None, text.parse::<Address>().ok()?)));
    if mailbox.is_none() {
        let problem = written.problem(format!("{} is no mail address", written.quoted()));
        report.add(problem.hint("write `oncall@example.com` or `On call <oncall@example.com>`"));
    }
    mailbox
}

fn ca(section: &mut Section, environment: &dyn Environment, report: &mut Report) -> Option<PathBuf> {
    let written = section.text("ca", report)?;
    let path = written.path(report);
    let reason = match environment.file(&path) {
        Ok(bytes) => match pem::certificates(&bytes, 1) {
            Ok(_) => return Some(path),
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    };
    report.add(written.problem(format!("the file {} {reason}", written.quoted_path())));
    None
}

fn missing<T>(section: &Section, key: &str, report: &mut Report) -> Option<T> {
    report.add(section.problem(format!("`{key}` is missing")));
    None
}
