//! Proxies that are contacted over TLS: good, broken and hostile ones.

mod conversation;
mod curl;

use canary::trace::StepKind;
use canary_tests::certificate::{Authority, Certificate};
use canary_tests::harness::{AttemptBuilder, AttemptResult, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::Proxy;
use canary_tests::peer::tls::{self, HostileTls, NAMES};
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The target and the authority of its certificate, which does not know those of proxies.
struct Target {
    authority: Authority,
    site: Site,
}

/// Where nothing listens: behind a proxy that is never asked, or never answers.
const NOWHERE: &str = "https://127.0.0.1:9/";

impl Target {
    fn new() -> Self {
        let authority = Authority::new("Target Root");
        let certificate = authority.leaf(&NAMES).valid_until_days(60).issue();
        let site = Site::start_tls(certificate.server_config(), |_| Reply::text("fine"));
        Self { authority, site }
    }

    fn url(&self) -> String {
        self.site.url("https", "/")
    }

    /// An attempt through a proxy with a certificate of this authority.
    fn through<'h>(&self, harness: &'h Harness, proxy: &Peer, ca: &Authority) -> AttemptBuilder<'h> {
        through(harness, &self.url(), proxy, ca).set("tls", json!({ "ca": self.authority.pem() }))
    }
}

fn through<'h>(harness: &'h Harness, url: &str, proxy: &Peer, ca: &Authority) -> AttemptBuilder<'h> {
    harness
        .plugin("http")
        .target(url)
        .set("proxy", proxy.url("https", ""))
        .set("proxy_tls", json!({ "ca": ca.pem() }))
        .allow(&format!("tcp://{}", proxy.address()))
        .timeout(ms(20_000))
}

/// A proxy whose certificate ends soon.
fn proxy(ca: &Authority) -> Proxy {
    Proxy::secure(of_proxy(ca).server_config(), None)
}

fn of_proxy(ca: &Authority) -> Certificate {
    ca.leaf(&NAMES).valid_until_days(3).issue()
}

#[track_caller]
fn days_left(ran: &AttemptResult) -> Option<f64> {
    let measurements = ran.verdict().measurements.iter();
    let mut found = measurements.filter(|number| number.name == "certificate.days_left");
    found.next().map(|number| number.value)
}

#[test]
fn the_certificate_of_a_proxy_is_never_that_of_the_target() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let proxy = proxy(&ca);
        let expect = json!({ "certificate": { "warn_within": "21d", "chain": true } });
        let attempt = target
            .through(&harness, &proxy, &ca)
            .set("expect", expect.clone());
        let ran = attempt.run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(days_left(&ran).map(f64::floor), Some(60.0));
        let place = target.site.address();
        assert!(
            proxy.heads()[0].starts_with(&format!("CONNECT {place} HTTP/1.1\r\n")),
            "{:?}",
            proxy.heads()
        );
        let steps = ran.trail.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Handshake(handshake) => {
                let alpn = handshake.alpn.as_ref().map(ToString::to_string);
                Some((handshake.is_proxy, alpn))
            }
            _ => None,
        });
        let steps: Vec<_> = steps.collect();
        assert_eq!(steps, [(true, None), (false, Some("h2".to_owned()))]);

        let plain = Site::start(|_| Reply::text("fine"));
        let attempt = || through(&harness, &plain.url("http", "/"), &proxy, &ca);
        let ran = attempt().run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(days_left(&ran), None);
        let ran = attempt().set("expect", expect).run().await;
        assert_eq!(ran.ended(), "fail", "an answer without TLS: {:?}", ran.outcome);
        assert!(
            proxy.heads()[1].starts_with(&format!("GET {} HTTP/1.1\r\n", plain.url("http", "/"))),
            "{:?}",
            proxy.heads()
        );
    });
}

#[test]
fn each_has_its_own_roots_and_options() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let proxy = proxy(&ca);
        let both = format!("{}{}", target.authority.pem(), ca.pem());
        let attempt = || target.through(&harness, &proxy, &ca);
        for (attempt, passes, says) in [
            (attempt().set("tls", json!({ "ca": both })), true, ""),
            (
                attempt()
                    .set("tls", json!({ "ca": both }))
                    .set("proxy_tls", json!({})),
                false,
                "handshake: the proxy `https://127.0.0.1:",
            ),
            (
                attempt()
                    .set("tls", json!({}))
                    .set("proxy_tls", json!({ "ca": both })),
                false,
                "handshake: TLS: ",
            ),
            (attempt().set("proxy_tls", json!({ "trusted": false })), true, ""),
            (
                attempt().set(
                    "proxy_tls",
                    json!({ "ca": ca.pem(), "server_name": "other.test" }),
                ),
                false,
                "other.test",
            ),
        ] {
            let ran = attempt.run().await;
            let expected = if passes { "pass" } else { "fail" };
            assert_eq!(ran.leaves_nothing().ended(), expected, "{:?}", ran.outcome);
            let summary = ran.outcome.summary();
            assert!(summary.contains(says), "{says}: {summary}");
        }
    });
}

/// A proxy that cannot be used, and what the summary says about it.
struct Kind {
    name: &'static str,
    proxy: Peer,
    says: &'static str,
}

fn kinds(ca: &Authority) -> Vec<Kind> {
    let hostile = |kind: HostileTls, says| Kind {
        name: kind.name(),
        proxy: kind.start(ca),
        says,
    };
    let resets = Peer::tcp(|mut connection| async move {
        connection.read_u8().await?;
        connection.reset()
    });
    let refuses = |answer: &'static str| {
        tls::server(of_proxy(ca).server_config(), move |mut stream| async move {
            let mut request = [0; 1024];
            while stream.read(&mut request).await? > 0 {
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
            Ok(())
        })
    };
    let closes = tls::server(of_proxy(ca).server_config(), |mut stream| async move {
        stream.read(&mut [0; 1024]).await.map(drop)
    });
    let kind = |name, proxy, says| Kind { name, proxy, says };
    let old = tls::legacy([3, 1], 0xc013, &of_proxy(ca), &[21, 3, 1, 0, 2, 2, 70]);
    vec![
        hostile(HostileTls::Expired, "handshake: {proxy}: TLS: the certificate "),
        hostile(
            HostileTls::Untrusted,
            "handshake: {proxy}: TLS: the issuer `CN=Unknown`",
        ),
        hostile(
            HostileTls::SelfSigned,
            "handshake: {proxy}: TLS: the certificate is self-signed",
        ),
        hostile(HostileTls::WrongName, "handshake: {proxy}: TLS: "),
        hostile(
            HostileTls::Alert,
            "handshake: {proxy}: TLS: the peer sent the alert",
        ),
        hostile(
            HostileTls::Garbage,
            "handshake: {proxy}: TLS: the peer does not speak TLS",
        ),
        hostile(
            HostileTls::ClosesAfterHello,
            "handshake: {proxy}: connection closed by the peer",
        ),
        hostile(HostileTls::SilentAfterHello, "handshake: {proxy}: timed out"),
        hostile(HostileTls::StopsMidway, "handshake: {proxy}: timed out"),
        kind(
            "resets",
            resets,
            "handshake: {proxy}: connection reset by the peer",
        ),
        kind(
            "without TLS",
            tls::talks(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "handshake: {proxy}: TLS: the peer does not speak TLS: it sent `HTTP/1.1 400 Bad Request`",
        ),
        kind("TLS 1.0", old, "the server chooses TLS 1.0"),
        kind(
            "407",
            refuses("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"),
            "connect: {proxy}: protocol error: the proxy refused: `HTTP/1.1 407 Proxy Authentication Required`",
        ),
        kind(
            "403",
            refuses("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"),
            "connect: {proxy}: protocol error: the proxy refused: `HTTP/1.1 403 Forbidden`",
        ),
        kind(
            "closes",
            closes,
            "connect: {proxy}: connection closed by the peer",
        ),
    ]
}

#[test]
fn what_fails_about_a_proxy_names_it_with_its_phase_and_is_no_failure_of_the_target() {
    alone(async {
        let harness = Harness::new().await;
        let ca = Authority::new("Proxy Root");
        for Kind { name, proxy, says } in kinds(&ca) {
            // Only from 5 s on has a guest as long as it can have to answer after a time-out.
            let attempt = through(&harness, NOWHERE, &proxy, &ca).timeout(ms(5_000));
            let ran = attempt.run().await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert_eq!(ran.ended(), "fail", "{name}: {summary}");
            let shown = format!("the proxy `{}`", proxy.url("https", ""));
            assert!(summary.contains(&shown), "{name}: {summary}");
            assert!(
                summary.contains(&says.replace("{proxy}", &shown)),
                "{name}: {summary}"
            );
            assert!(ran.usage.own_fault().is_some(), "{name}: {summary}");
        }
    });
}

#[test]
fn what_fails_about_the_target_behind_a_proxy_is_its_failure() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let proxy = proxy(&ca);
        let expired = HostileTls::Expired.start(&target.authority);
        let silent = HostileTls::SilentAfterHello.start(&target.authority);
        let mute = tls::server(of_proxy(&ca).server_config(), |mut stream| async move {
            while stream.read(&mut [0; 1024]).await? > 0 {}
            Ok(())
        });
        let own_tls = || json!({ "ca": target.authority.pem() });
        let attempt = |url: &str| through(&harness, url, &proxy, &ca).set("tls", own_tls());
        for (name, attempt, says) in [
            (
                "expired",
                attempt(&expired.url("https", "/")),
                "handshake: TLS: the certificate ",
            ),
            (
                "silent",
                attempt(&silent.url("https", "/")),
                "handshake: timed out",
            ),
            ("nothing listens", attempt(NOWHERE), "`HTTP/1.1 502 Bad Gateway`"),
            // Who does not answer is unknown.
            (
                "mute proxy",
                through(&harness, NOWHERE, &mute, &ca),
                "connect: timed out",
            ),
        ] {
            let ran = attempt.timeout(ms(5_000)).run().await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert_eq!(ran.ended(), "fail", "{name}: {summary}");
            assert!(
                summary.starts_with(says) || summary.contains("502"),
                "{name}: {summary}"
            );
            assert!(!summary.contains("https://"), "{name}: {summary}");
            assert_eq!(ran.usage.own_fault(), None, "{name}: {summary}");
        }
    });
}

/// Over TLS 1.3 the refusal arrives in place of the answer to `CONNECT`.
#[test]
fn a_proxy_may_demand_a_client_certificate() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let client = ca.leaf(&["canary.test"]).issue();
        for version in [&TLS12, &TLS13] {
            let config = of_proxy(&ca).server_config_with(&[version], Some(&ca));
            let proxy = Proxy::secure(config, Some("Basic dXNlcjpwYXNz"));
            let url = proxy.url("https", "").replace("://", "://user:pass@");
            let attempt = || target.through(&harness, &proxy, &ca).set("proxy", url.clone());
            let ran = attempt().run().await;
            let summary = ran.leaves_nothing().outcome.summary();
            assert_eq!(ran.ended(), "fail", "{version:?}: {summary}");
            assert!(
                summary.contains(&format!(
                    "the proxy `{}`: TLS: the peer sent the alert",
                    proxy.url("https", "")
                )),
                "{version:?}: {summary}"
            );
            assert!(ran.usage.own_fault().is_some(), "{summary}");
            let identity = json!({
                "ca": ca.pem(), "client_cert": client.chain_pem(), "client_key": client.key_pem(),
            });
            let ran = attempt().set("proxy_tls", identity).run().await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        }
    });
}

/// Within the session with the target, which is not to blame.
#[test]
fn a_session_with_a_proxy_that_breaks_is_the_failure_of_the_proxy() {
    alone(async {
        let harness = Harness::new().await;
        let ca = Authority::new("Proxy Root");
        for (url, answer) in [
            (NOWHERE, &b"HTTP/1.1 200 Connection established\r\n\r\n"[..]),
            ("http://127.0.0.1:9/", b""),
            (
                "http://127.0.0.1:9/",
                b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
            ),
        ] {
            let proxy = tls::server(of_proxy(&ca).server_config(), move |mut stream| async move {
                stream.read(&mut [0; 1024]).await.map(drop)?;
                stream.write_all(answer).await?;
                stream.flush().await?;
                let (mut connection, _session) = stream.into_inner();
                // A record that nobody encrypted.
                connection.write_all(b"\x17\x03\x03\0\x20").await?;
                connection.write_all(&[7; 32]).await?;
                // Unread data would turn the close into a reset.
                connection.read_to_end(&mut Vec::new()).await.map(drop)
            });
            let ran = through(&harness, url, &proxy, &ca).run().await;
            let summary = ran.leaves_nothing().outcome.summary();
            let shown = format!("the proxy `{}`: TLS: ", proxy.url("https", ""));
            assert_eq!(ran.ended(), "fail", "{summary}");
            assert!(summary.contains(&shown), "{summary}");
            assert!(ran.usage.own_fault().is_some(), "{summary}");
        }
    });
}

#[test]
fn a_proxy_that_is_not_granted_is_not_contacted() {
    alone(async {
        let harness = Harness::new().await;
        let (target, ca) = (Target::new(), Authority::new("Proxy Root"));
        let proxy = proxy(&ca);
        let attempt = harness.plugin("http").target(&target.url());
        let attempt = attempt.set("proxy", proxy.url("https", ""));
        let ran = attempt.set("proxy_tls", json!({ "ca": ca.pem() })).run().await;
        let summary = ran.leaves_nothing().outcome.summary();
        assert!(summary.contains("the suite does not allow it"), "{summary}");
        assert_eq!((proxy.accepted(), ran.usage.used.connections), (0, 0));
        // Nor is what the proxy would connect to.
        let attempt = harness.plugin("http").target("https://elsewhere.test/");
        let attempt = attempt.set("proxy", proxy.url("https", ""));
        let attempt = attempt.set("proxy_tls", json!({ "ca": ca.pem() }));
        let attempt = attempt.set("connect_to", target.site.address().to_string());
        let ran = attempt.allow(&format!("tcp://{}", proxy.address())).run().await;
        let summary = ran.leaves_nothing().outcome.summary();
        assert!(summary.contains("the suite does not allow it"), "{summary}");
        assert_eq!(proxy.accepted(), 0);
    });
}
