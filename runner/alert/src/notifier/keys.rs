//! The keys of one notifier in the configuration, and how to read those that several types have.

use std::io;
use std::path::PathBuf;

use url::Url;

use crate::http_sender::HttpSender;
use canary_outbound::http_client::{Endpoint, Protocol, TlsFiles};
use canary_settings::{ConfigValue, Report, Section, headers, is_public};
use canary_suite::{Environment, Secrets};
use canary_system::pem;

/// The keys of one notifier, while they are read.
pub(crate) struct Keys<'a> {
    pub(super) section: &'a mut Section,
    /// The link that messages show.
    pub(super) link: Option<&'a Url>,
    pub(super) report: &'a mut Report,
    ca: Option<PathBuf>,
    secrets: Vec<String>,
}

/// How the path of a URL is treated.
#[derive(Clone, Copy)]
pub(super) enum UrlPath {
    Secret,
    /// Not secret: redacting it would hide what the receiver answers.
    Public,
    /// Not secret; the URL may be omitted and has this default.
    Default(&'static str),
}

impl<'a> Keys<'a> {
    /// Reads `ca`, which every type has.
    pub(crate) fn new(
        section: &'a mut Section,
        link: Option<&'a Url>,
        environment: &dyn Environment,
        report: &'a mut Report,
    ) -> Self {
        let ca = ca(section, environment, report);
        Self {
            section,
            link,
            report,
            ca,
            secrets: Vec::new(),
        }
    }

    /// The secrets among the values that were read.
    pub(crate) fn secrets(&self) -> Secrets {
        Secrets::new(self.secrets.iter().map(String::as_str))
    }

    /// Makes `value` a secret: it is redacted from what the receiver answers.
    pub(super) fn add_secret(&mut self, value: &str) {
        self.secrets.push(value.to_owned());
    }

    /// The CA certificates for the receiver.
    pub(super) fn tls_files(&self) -> TlsFiles {
        TlsFiles {
            ca: self.ca.clone(),
            ..TlsFiles::default()
        }
    }

    /// Reads `url` and `headers`, whose secrets are redacted.
    pub(super) fn http_sender(&mut self, path: UrlPath) -> Option<HttpSender> {
        let pairs = self.section.pairs("headers", self.report).unwrap_or_default();
        for (_, value) in pairs.iter().filter(|(name, _)| !is_public(name)) {
            self.add_secret(value.expose());
        }
        let headers = headers(&pairs, self.report);
        let setting = self.section.text("url", self.report);
        let url = match (&setting, path) {
            (Some(setting), _) => parse_url(setting, self.report)?,
            (None, UrlPath::Default(default)) => Url::parse(default).ok()?,
            (None, UrlPath::Secret | UrlPath::Public) => return self.missing("url"),
        };
        if matches!(path, UrlPath::Secret) {
            self.add_secret(url.path().trim_matches('/'));
            // As written in the file: the parser escapes a path, and turns backslashes into slashes.
            if let Some(setting) = &setting {
                self.add_secret(path_and_query(setting.expose()));
            }
        }
        for part in [url.query(), url.password()].into_iter().flatten() {
            self.add_secret(part);
        }
        Some(HttpSender {
            endpoint: Endpoint {
                url,
                tls: self.tls_files(),
                protocol: Protocol::Http1,
            },
            headers,
        })
    }

    /// Reports that `key` is missing.
    pub(super) fn missing<T>(&mut self, key: &str) -> Option<T> {
        self.report
            .add(self.section.problem(format!("`{key}` is missing")));
        None
    }
}

/// Parses a URL. Messages do not show it: it may be secret.
pub(crate) fn parse_url(setting: &ConfigValue, report: &mut Report) -> Option<Url> {
    let url = match Url::parse(setting.expose()) {
        Ok(url) => url,
        Err(error) => {
            let problem = setting.problem(format!("invalid URL: {error}"));
            report.add(problem.hint("write `https://HOST/PATH`"));
            return None;
        }
    };
    let wrong = if !matches!(url.scheme(), "http" | "https") {
        ("the URL is neither `http://` nor `https://`", "write one of them")
    } else if url.fragment().is_some() {
        ("the URL contains a `#`", "leave out what follows it")
    } else if url.port() == Some(0) {
        ("the URL has port 0", "set the receiver's port")
    } else {
        return Some(url);
    };
    report.add(setting.problem(wrong.0).hint(wrong.1));
    None
}

/// The path and the query of a URL.
fn path_and_query(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('/').map_or("", |(_, path)| path);
    rest.trim_matches('/')
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
