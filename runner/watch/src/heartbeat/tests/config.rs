//! Parsing of the heartbeat section.

use std::io;
use std::path::{Path, PathBuf};

use canary_tests::documentation;

use super::*;
use canary_settings::File;
use canary_suite::{Environment, ProcessEnvironment};

struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "HEARTBEAT_URL").then(|| "https://hc-ping.com/5ec3e7?rid=1".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        ProcessEnvironment.file(path)
    }
}

/// The settings of a file with this section, or the problems.
fn heartbeat(section: &str) -> Result<Option<Settings>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    std::fs::write(&path, format!("heartbeat: {section}")).unwrap();
    let mut file = File::read(&path, &Fixed);
    let settings = read(file.heartbeat, &mut file.report);
    let reported = |problems: canary_settings::Problems| {
        problems
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    };
    file.report.finish(settings).map_err(reported)
}

#[test]
fn a_url_is_enough() {
    let settings = heartbeat("{ url: '${env:HEARTBEAT_URL}' }").unwrap().unwrap();
    assert_eq!(settings.cadence, cadence());
    assert_eq!(settings.timeout, Duration::from_secs(10));
    let url = |ping| settings.endpoint(&ping).url.to_string();
    assert_eq!(url(Ping::Success), "https://hc-ping.com/5ec3e7?rid=1");
    assert_eq!(url(Ping::Start), "https://hc-ping.com/5ec3e7/start?rid=1");
    let reason = String::new();
    assert_eq!(
        url(Ping::Fail { reason }),
        "https://hc-ping.com/5ec3e7/fail?rid=1"
    );
    assert!(!format!("{settings:?}").contains("5ec3e7"), "{settings:?}");
}

#[test]
fn each_part_can_be_set() {
    let settings = heartbeat(
        "{ url: 'https://push.example/', interval: 5m, grace: 20s, timeout: 3s, fail: false, start: false,
           certificate: /ca.pem, client_certificate: /own.pem, client_key: /own.key }",
    );
    let settings = settings.unwrap().unwrap();
    assert_eq!(
        settings.cadence,
        Cadence {
            interval: Duration::from_mins(5),
            grace: Duration::from_secs(20),
            start: false,
            fail: false,
        }
    );
    assert_eq!(settings.timeout, Duration::from_secs(3));
    assert_eq!(settings.endpoint.tls.ca, Some(PathBuf::from("/ca.pem")));
    assert_eq!(settings.endpoint.tls.client_key, Some(PathBuf::from("/own.key")));
    assert_eq!(settings.endpoint(&Ping::Start).url.path(), "/start");
}

#[test]
fn there_need_be_none() {
    for section in ["none", "", "{}"] {
        assert_eq!(heartbeat(section), Ok(None));
    }
}

#[test]
fn what_is_wrong_is_reported_with_its_position_and_without_the_url() {
    let reported = heartbeat(
        "
  url: hc-ping.com/5ec3e7
  interval: 0s
  timeout: 1h
  fail: perhaps
  client_key: /own.key
  intervall: 1m",
    );
    insta::assert_snapshot!(reported.unwrap_err(), @"
    canary.yaml:2:8: `heartbeat.url`: is not a valid ping URL
    hint: write it with its scheme, such as `https://hc-ping.com/UUID`

    canary.yaml:3:13: `heartbeat.interval`: 0s is out of range; allowed: 1s to 1d

    canary.yaml:4:12: `heartbeat.timeout`: 1h is out of range; allowed: 100ms to 60s

    canary.yaml:5:9: `heartbeat.fail`: invalid boolean `perhaps`
    hint: write `true` or `false`

    canary.yaml:6:15: `heartbeat.client_key`: a client certificate and its key are required together
    hint: set both `client_certificate` and `client_key`

    canary.yaml:7:3: unknown key `intervall` in `heartbeat`
    hint: did you mean `interval`?

    6 problems with the settings
    ");
    insta::assert_snapshot!(heartbeat("{ interval: 1m }").unwrap_err(), @"
    canary.yaml:1:24: `heartbeat.interval`: requires `heartbeat.url`
    hint: set `heartbeat.url`, or leave the heartbeat out

    1 problem with the settings
    ");
    insta::assert_snapshot!(heartbeat("{ url: 'ftp://hc-ping.com/5ec3e7' }").unwrap_err(), @"
    canary.yaml:1:19: `heartbeat.url`: is not a valid ping URL
    hint: write it with its scheme, such as `https://hc-ping.com/UUID`

    1 problem with the settings
    ");
}

#[test]
fn the_documentation_is_right() {
    let page = documentation::page("heartbeat.md");
    let block = documentation::blocks(&page, "yaml").next().unwrap();
    let section = block.strip_prefix("heartbeat:").unwrap();
    let settings = heartbeat(section).unwrap().unwrap();
    assert_eq!(
        settings,
        heartbeat("{ url: '${env:HEARTBEAT_URL}' }").unwrap().unwrap()
    );
}
