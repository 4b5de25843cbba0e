//! The recorded conversation between a run and its peers.

use std::net::Ipv4Addr;

use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone};
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Request, Site};
use canary_tests::peer::plain::{self, Dialogue};
use canary_tests::peer::socks::Socks;
use canary_tests::peer::tls::{self, HostileTls, NAMES};
use serde_json::json;

fn route(request: &Request) -> Reply {
    match request.path() {
        "/old" => Reply::redirect(307, "/new?ticket=4111").header("set-cookie", "session=abc; Path=/"),
        "/new" => Reply::json("{\n  \"status\": \"ok\"\n}\n"),
        _ => Reply::status(404),
    }
}

#[test]
fn http_1_shows_each_request_and_answer_along_a_redirect_without_credentials() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        let attempt = harness.plugin("http").record_conversation();
        let attempt = attempt
            .target(&site.url("http", "/old?card=4111"))
            .set("method", "POST")
            .set("body", "ping")
            .set(
                "basic_auth",
                json!({ "username": "me", "password": "correct-horse" }),
            );
        let ran = attempt.run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        insta::assert_snapshot!(ran.conversation());
    });
}

#[test]
fn a_login_to_a_socks_proxy_is_not_shown() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(route);
        let proxy = Socks::demanding("somebody", "correct-horse");
        let way = proxy
            .url("socks5", "")
            .replace("://", "://somebody:correct-horse@");
        let attempt = harness.plugin("http").record_conversation();
        let attempt = attempt.target(&site.url("http", "/new")).set("proxy", way);
        let ran = attempt.allow(&format!("tcp://{}", proxy.address())).run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        let shown = ran.conversation();
        for part in ["sends a user name and a password", "GET /new"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        for part in ["somebody", "correct-horse"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
    });
}

#[test]
fn http_2_shows_the_lookup_the_session_and_the_fields() {
    alone(async {
        let zone = Zone::new().address("shop.test", Ipv4Addr::LOCALHOST).start();
        let harness = Harness::settings().name_server(zone.address()).start().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&["shop.test"]).issue();
        let site = Site::start_tls(certificate.server_config(), route);
        let attempt = harness.plugin("http").record_conversation();
        let attempt = attempt
            .target(&format!(
                "https://shop.test:{}/new?card=4111",
                site.address().port()
            ))
            .set("method", "POST")
            .set("body", "ping")
            .set("headers", json!({ "authorization": "Bearer correct-horse" }))
            .set("ip_family", "ipv4")
            .set("tls", json!({ "ca": authority.pem() }));
        let ran = attempt.run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        insta::assert_snapshot!(ran.conversation());
    });
}

#[test]
fn a_tls_check_shows_the_chain_also_of_a_session_that_is_refused() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let intermediate = authority.intermediate("Test Intermediate");
        let site = tls::site(intermediate.leaf(&NAMES).issue().server_config());
        let attempt = harness.plugin("tls").against(&site).record_conversation();
        let ran = attempt.set("ca", authority.pem()).run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        insta::assert_snapshot!(ran.conversation());

        let expired = HostileTls::Expired.start(&authority);
        let attempt = harness.plugin("http").record_conversation();
        let attempt = attempt.target(&expired.url("https", "/"));
        let ran = attempt.set("tls", json!({ "ca": authority.pem() })).run().await;
        let refused = ran.conversation();
        for part in ["certificate 0: CN=", "no TLS session: ", "expired"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    });
}

#[test]
fn a_dialogue_shows_both_sides_and_who_closed() {
    alone(async {
        let harness = Harness::new().await;
        let mail = Dialogue::new("220 mail.test ESMTP\r\n")
            .reply("EHLO", "250-mail.test\r\n250 STARTTLS\r\n")
            .farewell("QUIT", "221 bye\r\n")
            .start();
        let attempt = harness.plugin("tcp").against(&mail).record_conversation();
        let dialogue = json!([
            { "expect": { "matches": "^220 " } },
            { "send": "EHLO canary\r\n" },
            { "expect": { "matches": "(?m)^250 " } },
            { "send": "QUIT\r\n" },
            { "expect": { "matches": "^221 " } },
        ]);
        let ran = attempt.set("dialogue", dialogue).run().await;
        assert_eq!(ran.ended(), "pass", "{:?}", ran.outcome);
        insta::assert_snapshot!(ran.conversation());
    });
}

#[test]
fn what_answers_in_place_of_tls_is_shown() {
    alone(async {
        let harness = Harness::new().await;
        let plain = tls::talks(b"HTTP/1.1 400 Bad Request\r\nserver: x\r\n\r\n");
        for (plugin, target) in [
            ("http", plain.url("https", "/")),
            ("tls", plain.address().to_string()),
        ] {
            let attempt = harness.plugin(plugin).target(&target).record_conversation();
            let ran = attempt.run().await;
            let shown = ran.conversation();
            assert!(
                shown.contains("1< HTTP/1.1 400 Bad Request\n1< server: x\n"),
                "{shown}"
            );
            let summary = ran.outcome.summary();
            assert!(summary.contains("`HTTP/1.1 400 Bad Request`"), "{summary}");
        }
    });
}

#[test]
fn a_run_that_nobody_reads_keeps_no_conversation() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness.plugin("tcp").against(&plain::echo()).run().await;
        assert_eq!(ran.leaves_nothing().trail.conversation, None);
    });
}
