//! What an operator decides of the heartbeat.

use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::Ping;
use crate::settings::{Report, Section, Written};
use crate::wire::{Place, Protocol, TlsFiles};

const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);
const GRACES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

/// When which pings are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// From one ping to the next, 1 s to 24 h; 60 s unless told otherwise.
    pub interval: Duration,
    /// How much longer than it should something may stand still, and how long exports may fail, before that is a
    /// failure, at most 24 h; half of the interval unless told otherwise.
    pub grace: Duration,
    /// Whether the start is told; true unless told otherwise.
    pub start: bool,
    /// Whether failures are told, and not by silence alone; true unless told otherwise.
    pub fail: bool,
}

/// What an operator decides of the heartbeat. `Debug` shows of the URL only its origin: the path is a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where pings of success go.
    pub place: Place,
    /// When which pings are sent.
    pub cadence: Cadence,
    /// For one attempt, 100 ms to 1 min; 10 s unless told otherwise.
    pub timeout: Duration,
}

impl Settings {
    /// What of the URL nobody may see.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let url = &self.place.url;
        let path = Some(url.path().trim_matches('/'));
        [path, url.query(), url.password()].into_iter().flatten()
    }

    /// Where a ping goes: those of start and failure have a path of their own below that of success.
    pub(super) fn place(&self, ping: &Ping) -> Place {
        let mut place = self.place.clone();
        let end = match ping {
            Ping::Success => return place,
            Ping::Start => "start",
            Ping::Fail { .. } => "fail",
        };
        let path = place.url.path().trim_end_matches('/').to_owned();
        place.url.set_path(&format!("{path}/{end}"));
        place
    }
}

/// Takes the `heartbeat` section of the runner's file; what is wrong with it goes to `report`. Absent where there is no
/// URL to ping.
pub fn read(mut section: Section, report: &mut Report) -> Option<Settings> {
    let url = section.text("url", report);
    let interval = section.value("interval");
    let grace = section.value("grace");
    let timeout = section.value("timeout");
    let fail = section.value("fail");
    let start = section.value("start");
    let tls = tls(&mut section, report);
    let others = [&interval, &grace, &timeout, &fail, &start];
    if let (None, Some(lonely)) = (&url, others.into_iter().flatten().next()) {
        let problem = lonely.problem("there is no `url` to ping");
        report.add(problem.hint("set `heartbeat.url`, or leave the heartbeat out"));
    }
    section.finish(report);
    let mut duration = |written: Option<Written>, range| written?.duration(range, report);
    let interval = duration(interval, INTERVALS).unwrap_or(DEFAULT_INTERVAL);
    let grace = duration(grace, GRACES).unwrap_or(interval / 2);
    let timeout = duration(timeout, TIMEOUTS).unwrap_or(DEFAULT_TIMEOUT);
    let mut boolean = |written: Option<Written>| written?.boolean(report);
    let cadence = Cadence {
        interval,
        grace,
        start: boolean(start).unwrap_or(true),
        fail: boolean(fail).unwrap_or(true),
    };
    Some(Settings {
        place: Place {
            url: parsed(&url?, report)?,
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
        let problem = alone.problem("a client certificate needs its key, and a key its certificate");
        report.add(problem.hint("set both `client_certificate` and `client_key`"));
    }
    let mut path = |written: Written| written.path(report);
    TlsFiles {
        ca: ca.map(&mut path),
        client_certificate: chain.map(&mut path),
        client_key: key.map(path),
        ..TlsFiles::default()
    }
}

/// What was written is not shown: who knows it can ping in the runner's name.
fn parsed(written: &Written, report: &mut Report) -> Option<Url> {
    let url = Url::parse(written.expose()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        let problem = written.problem("is no URL that can be pinged");
        report.add(problem.hint("write it with its scheme, such as `https://hc-ping.com/UUID`"));
    }
    url
}
