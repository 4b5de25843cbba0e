//! Failures of the check itself, which nobody may take for one of its target: a check that must fail would pass for ever.

use canary_tests::harness::{Harness, Trial, alone};
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::{self, Dialogue, Proxy};
use canary_tests::peer::socks::Socks;
use serde_json::json;

/// Where nothing listens.
const CLOSED: &str = "127.0.0.1:1";

/// The target works, and the check cannot know.
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
        for trial in [
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
            fails(trial, true).await;
        }
    });
}

/// The target is never reached.
#[test]
fn what_a_proxy_does_in_place_of_forwarding_is_no_failure_of_the_target() {
    alone(async {
        let harness = Harness::settings().start().await;
        let through = |peer: &Peer| {
            let trial = harness.plugin("http").target("http://127.0.0.1:9/");
            let trial = trial.set("proxy", peer.url("http", ""));
            trial.allow(&format!("tcp://{}", peer.address()))
        };
        let demand = "HTTP/1.1 407 no\r\ncontent-length: 0\r\n\r\n";
        for proxy in [
            Dialogue::new("").reply("GET", demand).start(),
            Dialogue::new("").reply("GET", "nonsense\r\n\r\n").start(),
            Dialogue::new("").farewell("GET", "").start(),
        ] {
            fails(through(&proxy), true).await;
        }
        // The target's own demand looks the same: nothing may depend on it.
        let (site, proxy) = (Site::start(|_| Reply::status(407)), Proxy::start());
        let trial = harness.plugin("http").against(&site);
        let trial = trial.set("proxy", proxy.url("http", ""));
        fails(trial.allow(&format!("tcp://{}", proxy.address())), true).await;
        let unavailable = "HTTP/1.1 502 no\r\ncontent-length: 0\r\n\r\n";
        let proxy = Dialogue::new("").reply("GET", unavailable).start();
        fails(through(&proxy), false).await;
    });
}

/// Whatever else is wrong with the check.
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
        for trial in [
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
            fails(trial, false).await;
        }
        let through = Socks::start();
        let trial = harness.plugin("http").target("http://127.0.0.1:9/");
        let trial = trial.set("proxy", through.url("socks5", ""));
        fails(trial.allow(&format!("tcp://{}", through.address())), false).await;
        let demanding = Socks::demanding("me", "secret");
        let trial = http().set("proxy", demanding.url("socks5", ""));
        fails(trial.allow(&format!("tcp://{}", demanding.address())), true).await;
        let through = Proxy::start();
        let trial = http().set("proxy", through.url("http", ""));
        fails(trial.allow(&format!("tcp://{}", through.address())), false).await;
    });
}

async fn fails(trial: Trial<'_>, by_itself: bool) {
    let ran = trial.run().await;
    let outcome = &ran.leaves_nothing().outcome;
    assert_eq!(ran.ended(), "fail", "{outcome:?}");
    assert_eq!(ran.usage.own_fault().is_some(), by_itself, "{outcome:?}");
}
