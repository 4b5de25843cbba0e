//! Failures of the check itself must not count as failures of its target: a check that expects a failure would always
//! pass.

use canary_tests::harness::{AttemptBuilder, Harness, alone};
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::{self, Dialogue, Proxy};
use canary_tests::peer::socks::Socks;
use serde_json::json;

/// An address at which nothing listens.
const CLOSED: &str = "127.0.0.1:1";

/// The target works, but the check cannot determine that.
#[test]
fn what_fails_about_the_check_is_no_failure_of_the_target() {
    alone(async {
        let harness = Harness::settings().start().await;
        let echo = plain::echo();
        let long = Site::start(|_| Reply::json([b"[0,".as_slice(), &[b' '; 3 << 20], b"1]"].concat()));
        let url = format!("http://{}/", long.address());
        let tcp = || harness.plugin("tcp").target(&echo.address().to_string());
        let http = || harness.plugin("http").target(&url);
        let body = |rules| http().set("expect", json!({ "body": rules }));
        let secure = |proxy: &str| {
            harness
                .plugin("http")
                .target("https://127.0.0.1:9/")
                .set("proxy", proxy)
        };
        let (refusing, silent) = (
            Dialogue::new("")
                .reply("CONNECT", "HTTP/1.1 407 no\r\n\r\n")
                .start(),
            Dialogue::new("").farewell("CONNECT", "").start(),
        );
        let through = |peer: &Peer| secure(&peer.url("http", "")).allow(&format!("tcp://{}", peer.address()));
        for attempt in [
            tcp().set("source_address", "192.0.2.7"),
            tcp().set("source_address", "::1"),
            http()
                .set("proxy", format!("http://{CLOSED}"))
                .allow(&format!("tcp://{CLOSED}")),
            secure(&format!("http://{CLOSED}")).allow(&format!("tcp://{CLOSED}")),
            through(&refusing),
            through(&silent),
            body(json!({ "contains": "nowhere" })),
            body(json!({ "matches": "nowhere" })),
            body(json!({ "length": 5 })),
            http().set("expect", json!({ "json": { "$[0]": 1 } })),
        ] {
            fails(attempt, true).await;
        }
    });
}

/// The target is never reached.
#[test]
fn what_a_proxy_does_in_place_of_forwarding_is_no_failure_of_the_target() {
    alone(async {
        let harness = Harness::settings().start().await;
        let through = |peer: &Peer| {
            let attempt = harness.plugin("http").target("http://127.0.0.1:9/");
            let attempt = attempt.set("proxy", peer.url("http", ""));
            attempt.allow(&format!("tcp://{}", peer.address()))
        };
        let demand = "HTTP/1.1 407 no\r\ncontent-length: 0\r\n\r\n";
        for proxy in [
            Dialogue::new("").reply("GET", demand).start(),
            Dialogue::new("").reply("GET", "nonsense\r\n\r\n").start(),
            Dialogue::new("").farewell("GET", "").start(),
        ] {
            fails(through(&proxy), true).await;
        }
        // A demand of the target looks the same, so the result must not depend on it.
        let (site, proxy) = (Site::start(|_| Reply::status(407)), Proxy::start());
        let attempt = harness.plugin("http").against(&site);
        let attempt = attempt.set("proxy", proxy.url("http", ""));
        fails(attempt.allow(&format!("tcp://{}", proxy.address())), true).await;
        let unavailable = "HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n";
        let proxy = Dialogue::new("").reply("GET", unavailable).start();
        fails(through(&proxy), false).await;
    });
}

/// Failures of the target count, whatever else is wrong with the check.
#[test]
fn what_fails_about_the_target_is_its_failure() {
    alone(async {
        let harness = Harness::settings().start().await;
        let site = Site::start(|_| Reply::status(500).body(vec![b'x'; 3 << 20]));
        let proxy = Dialogue::new("")
            .reply("CONNECT", "HTTP/1.1 502 no\r\n\r\n")
            .start();
        let http = || {
            harness
                .plugin("http")
                .target(&format!("http://{}/", site.address()))
        };
        let expect = |expect| http().set("expect", expect);
        for attempt in [
            harness.plugin("tcp").target(CLOSED),
            harness
                .plugin("tcp")
                .target(CLOSED)
                .set("source_address", "127.0.0.1"),
            expect(json!({ "body": { "contains": "nowhere" } })),
            expect(json!({ "status": 500, "body": { "not_contains": "x", "matches": "nowhere" } })),
            harness
                .plugin("http")
                .target("https://127.0.0.1:9/")
                .set("proxy", proxy.url("http", ""))
                .allow(&format!("tcp://{}", proxy.address())),
        ] {
            fails(attempt, false).await;
        }
        let through = Socks::start();
        let attempt = harness.plugin("http").target("http://127.0.0.1:9/");
        let attempt = attempt.set("proxy", through.url("socks5", ""));
        fails(attempt.allow(&format!("tcp://{}", through.address())), false).await;
        let demanding = Socks::demanding("me", "secret");
        let attempt = http().set("proxy", demanding.url("socks5", ""));
        fails(attempt.allow(&format!("tcp://{}", demanding.address())), true).await;
        let through = Proxy::start();
        let attempt = http().set("proxy", through.url("http", ""));
        fails(attempt.allow(&format!("tcp://{}", through.address())), false).await;
    });
}

async fn fails(attempt: AttemptBuilder<'_>, by_itself: bool) {
    let ran = attempt.run().await;
    let outcome = &ran.leaves_nothing().outcome;
    assert_eq!(ran.ended(), "fail", "{outcome:?}");
    assert_eq!(ran.usage.own_fault().is_some(), by_itself, "{outcome:?}");
}
