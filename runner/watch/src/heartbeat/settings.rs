//! Configuration of the heartbeat.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::Ping;
use canary_outbound::http_client::{Endpoint, Protocol, TlsFiles};
use canary_settings::{ConfigValue, Report, Section};

const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);
const GRACE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

/// When which pings are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Interval between pings, 1 s to 24 h [default: 60 s].
    pub interval: Duration,
    /// How long progress may be late, and how long exports may fail, before that is a failure; at most 24 h [default:
    /// half of the interval].
    pub grace: Duration,
    /// Whether to send a start ping [default: true].
    pub start: bool,
    /// Whether to send fail pings in addition to stopping the success pings [default: true].
    pub fail: bool,
}

/// Configuration of the heartbeat. `Debug` shows only the origin of the URL: the path is a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Endpoint of success pings.
    pub endpoint: Endpoint,
    /// When which pings are sent.
    pub cadence: Cadence,
    /// Time-out of one attempt, 100 ms to 1 min [default: 10 s].
    pub timeout: Duration,
}

impl Settings {
    /// The secret parts of the URL.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let url = &self.endpoint.url;
        let path = Some(url.path().trim_matches('/'));
        [path, url.query(), url.password()].into_iter().flatten()
    }

    /// Endpoint of a ping: start and fail pings go to paths below that of success.
    pub(super) fn endpoint(&self, ping: &Ping) -> Endpoint {
        let mut endpoint = self.endpoint.clone();
        let end = match ping {
            Ping::Success => return endpoint,
            Ping::Start => "start",
            Ping::Fail { .. } => "fail",
        };
        let path = endpoint.url.path().trim_end_matches('/').to_owned();
        endpoint.url.set_path(&format!("{path}/{end}"));
        endpoint
    }
}

/// Reads the `heartbeat` section of the runner's file; problems go to `report`. `None` without a URL.
pub fn read(mut section: Section, report: &mut Report) -> Option<Settings> {
    let url = section.text("url", report);
    let interval = section.value("interval");
    let grace = section.value("grace");
    let timeout = section.value("timeout");
    let fail = section.value("fail");
    let start = section.value("start");
    let tls = tls(&mut section, report);
    let others = [&interval, &grace, &timeout, &fail, &start];
    if let (None, Some(orphan)) = (&url, others.into_iter().flatten().next()) {
        let problem = orphan.problem("requires `heartbeat.url`");
        report.add(problem.hint("set `heartbeat.url`, or leave the heartbeat out"));
    }
    section.finish(report);
    let mut duration = |value: Option<ConfigValue>, range| value?.duration(range, report);
    let interval = duration(interval, INTERVAL_RANGE).unwrap_or(DEFAULT_INTERVAL);
    let grace = duration(grace, GRACE_RANGE).unwrap_or(interval / 2);
    let timeout = duration(timeout, TIMEOUT_RANGE).unwrap_or(DEFAULT_TIMEOUT);
    let mut boolean = |value: Option<ConfigValue>| value?.boolean(report);
    let cadence = Cadence {
        interval,
        grace,
        start: boolean(start).unwrap_or(true),
        fail: boolean(fail).unwrap_or(true),
    };
    Some(Settings {
        endpoint: Endpoint {
            url: parse_url(&url?, report)?,
            tls,
            protocol: Protocol::Http1,
        },
        cadence,
        timeout,
    })
}

fn tls(section: &mut Section, report: &mut Report) -> TlsFiles {
    let ca = section.value("certificate");
    let chain = section.value("client_certificate");
    let key = section.value("client_key");
    if let (Some(alone), None) | (None, Some(alone)) = (&chain, &key) {
        let problem = alone.problem("a client certificate and its key are required together");
        report.add(problem.hint("set both `client_certificate` and `client_key`"));
    }
    let mut path = |value: ConfigValue| value.path(report);
    TlsFiles {
        ca: ca.map(&mut path),
        client_certificate: chain.map(&mut path),
        client_key: key.map(path),
        ..TlsFiles::default()
    }
}

/// The problem does not quote the URL: it authorizes pings.
fn parse_url(value: &ConfigValue, report: &mut Report) -> Option<Url> {
    let url = Url::parse(value.expose()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        let problem = value.problem("is not a valid ping URL");
        report.add(problem.hint("write it with its scheme, such as `https://hc-ping.com/UUID`"));
    }
    url
}
