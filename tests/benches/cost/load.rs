//! Time to load a suite of many checks with cached plugins.

use std::fmt::Write as _;

use canary::plugin::Cache;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fixture::host;

const CHECKS: u32 = 10_000;

/// Loads the suite twice: the first time fills the cache of compiled plugins.
pub(crate) async fn measure() {
    let folder = TempDir::new().expect("a folder");
    let suite = suite();
    let lines = suite.lines().count();
    for _ in 0..2 {
        let cache = Cache::open(&folder.path().join("cache")).expect("a folder");
        let started_at = Instant::now();
        let (_dispatcher, suite) = host(&suite, 1_000, cache).await;
        let took = started_at.elapsed();
        println!(
            "load: {} checks on {lines} lines in {took:.0?}",
            suite.checks.len()
        );
    }
}

/// Every check has a configuration with expectations, which is validated against its plugin's schema.
fn suite() -> String {
    let mut text = String::from("defaults: { interval: 1m, timeout: 5s }\nchecks:\n");
    for number in 0..CHECKS {
        let check = match number % 5 {
            0 => tls(number),
            1 => tcp(number),
            _ => http(number),
        };
        text.push_str(&check);
    }
    text
}

fn http(number: u32) -> String {
    format!(
        r#"  - name: website {number}
    plugin: http
    target: https://host-{number}.example.com/health
    interval: 30s
    timeout: 4s
    labels:
      team: web
      region: "eu-{number}"
    config:
      method: GET
      headers:
        accept: text/html
        x-number: "{number}"
      follow_redirects: true
      expect:
        status: [200, 301-302]
        headers:
          content-type:
            matches: "^text/html"
        body:
          contains: Welcome
          not_contains: Error
          max_size: 1MiB
        json:
          "$.status": ok
        latency:
          warn: 300ms
          fail: 1s
"#
    )
}

fn tls(number: u32) -> String {
    format!(
        r#"  - name: certificate {number}
    plugin: tls
    target: host-{number}.example.com:443
    config:
      warn_within: 21d
      fail_within: 7d
      trusted: true
      names: [host-{number}.example.com]
      min_version: "1.2"
"#
    )
}

fn tcp(number: u32) -> String {
    let mut text = format!(
        r#"  - name: port {number}
    plugin: tcp
    target: host-{number}.example.com:25
    allow:
      - "tcp://host-{number}.example.com:25"
    config:
      latency:
        warn: 100ms
      dialogue:
        - expect:
            matches: "^220 "
"#
    );
    for _ in 0..2 {
        text.write_str("        - send: \"NOOP\\r\\n\"\n        - expect:\n            matches: \"^250 \"\n")
            .expect("text grows");
    }
    text
}
