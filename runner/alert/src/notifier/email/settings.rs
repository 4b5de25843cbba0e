//! The keys of a mail notifier.

use lettre::Address;
use lettre::message::Mailbox;

use super::{Email, TlsMode};
use crate::notifier::keys::Keys;
use canary_settings::{ConfigValue, Report};

/// Maximum number of recipients of one mail.
const MAX_RECIPIENTS: usize = 100;
const TLS: [(&str, TlsMode); 3] = [
    ("starttls", TlsMode::Starttls),
    ("implicit", TlsMode::Implicit),
    ("none", TlsMode::None),
];

impl Email {
    pub(crate) fn read(keys: &mut Keys<'_>) -> Option<Self> {
        let host = keys.section.text("host", keys.report);
        let tls = keys.section.value("tls");
        let tls = tls.and_then(|setting| setting.one_of("TLS mode", &TLS, keys.report));
        let tls = tls.unwrap_or(TlsMode::Starttls);
        let port = keys.section.value("port");
        let port = port.and_then(|setting| setting.count(1..=65_535, keys.report));
        let login = login(keys);
        let from = match keys.section.text("from", keys.report) {
            Some(setting) => mailbox(&setting, keys.report),
            None => keys.missing("from"),
        };
        let to = recipients(keys);
        let Some(host) = host else {
            return keys.missing("host");
        };
        Some(Self {
            host: host.expose().to_owned(),
            port: port
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(tls.port()),
            tls,
            login,
            from: from?,
            to,
            files: keys.tls_files(),
        })
    }
}

/// Reads `user` and `password`: both or neither.
fn login(keys: &mut Keys<'_>) -> Option<(String, String)> {
    let user = keys.section.text("user", keys.report);
    let password = keys.section.text("password", keys.report);
    match (user, password) {
        (Some(user), Some(password)) => {
            keys.add_secret(password.expose());
            Some((user.expose().to_owned(), password.expose().to_owned()))
        }
        (Some(user), None) => {
            keys.report.add(user.problem("requires `password`"));
            None
        }
        (None, Some(password)) => {
            keys.report.add(password.problem("requires `user`"));
            None
        }
        (None, None) => None,
    }
}

fn recipients(keys: &mut Keys<'_>) -> Vec<Mailbox> {
    let setting = match keys.section.value("to") {
        Some(one) => vec![one],
        None => keys.section.list("to", keys.report).unwrap_or_default(),
    };
    if setting.is_empty() {
        let problem = keys.section.problem("`to` is missing");
        keys.report.add(problem.hint("write `to: [oncall@example.com]`"));
    }
    if let Some(one) = setting.get(MAX_RECIPIENTS) {
        let message = format!("{} recipients; allowed: up to {MAX_RECIPIENTS}", setting.len());
        keys.report.add(one.problem(message));
    }
    let recipients = setting.iter().take(MAX_RECIPIENTS);
    recipients
        .filter_map(|setting| mailbox(setting, keys.report))
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
