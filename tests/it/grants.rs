//! A check reaches its target and what its suite allows, and nothing else.

use std::net::{IpAddr, Ipv4Addr};

use canary::grant::Networks;
use canary_tests::certificate::Authority;
use canary_tests::harness::{Harness, alone};
use canary_tests::peer::dns::{Behaviour, Zone};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::{self, Proxy};
use canary_tests::peer::socks::Socks;
use canary_tests::peer::{Hostile, Peer};
use serde_json::json;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn port(peer: &Peer) -> u16 {
    peer.address().port()
}

#[test]
fn a_place_that_nobody_granted_is_refused_however_it_is_spelled() {
    alone(async {
        let harness = Harness::new().await;
        let (target, other) = (plain::echo(), plain::echo());
        let port = port(&other);
        let spellings = [
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("2130706433:{port}"),
            format!("0x7f.1:{port}"),
            format!("[::ffff:127.0.0.1]:{port}"),
            format!("127.0.0.1.:{port}"),
        ];
        let ran = harness
            .guest_with("connect", json!(spellings))
            .against(&target)
            .run()
            .await;
        ran.leaves_nothing();
        for answer in ran.answers() {
            assert!(
                answer.starts_with("denied(") || answer.starts_with("invalid("),
                "{answer}"
            );
        }
        assert_eq!((ran.usage.used.connections, other.accepted()), (0, 0));
        let denied = ran
            .answers()
            .into_iter()
            .filter(|answer| answer.starts_with("denied("));
        assert_eq!(
            ran.usage.ungranted,
            denied.count() as u64,
            "the account knows of each"
        );
    });
}

/// Blocking a network blocks every notation of its addresses.
#[test]
fn every_form_of_a_blocked_address_is_blocked() {
    alone(async {
        let blocked = Networks::parse(["127.0.0.0/8"]).expect("a network");
        let harness = Harness::settings().blocked(blocked).start().await;
        let target = plain::echo();
        let port = port(&target);
        let forms = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "::",
            "0.0.0.0.",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "64:ff9b:1:7f00:0:100::",
            "2002:7f00:1::",
            "2001:0:4136:e378:8000:63bf:80ff:fffe",
            "fe80::5efe:7f00:1",
        ];
        let places: Vec<_> = forms
            .iter()
            .map(|form| {
                if form.contains(':') {
                    format!("[{form}]:{port}")
                } else {
                    format!("{form}:{port}")
                }
            })
            .collect();
        let attempt = harness.guest_with("connect", json!(places));
        let ran = attempt.allow(&format!("tcp://*:{port}")).run().await;
        ran.leaves_nothing();
        for (form, answer) in forms.iter().zip(ran.answers()) {
            assert!(answer.contains("blocked network 127.0.0.0/8"), "{form}: {answer}");
        }
        assert_eq!((ran.answers().len(), target.accepted()), (forms.len(), 0));
    });
}

#[test]
fn what_the_suite_allows_can_be_reached() {
    alone(async {
        let harness = Harness::new().await;
        let (target, other) = (plain::echo(), plain::echo());
        let place = other.address().to_string();
        let attempt = harness.guest_with("connect", json!([place])).against(&target);
        let ran = attempt.allow(&format!("tcp://{place}")).run().await;
        assert_eq!(ran.leaves_nothing().answer(), place);
    });
}

#[test]
fn a_redirect_into_places_that_nobody_granted_is_refused() {
    alone(async {
        let harness = Harness::new().await;
        let redirects = [
            Hostile::RedirectToPrivate,
            Hostile::RedirectToMetadata,
            Hostile::RedirectToLoopback,
        ];
        for redirect in redirects {
            let peer = redirect.start();
            let ran = harness.plugin("http").against(&peer).run().await;
            ran.leaves_nothing();
            assert_eq!(ran.ended(), "fail", "{}", redirect.name());
            assert!(
                ran.outcome.summary().contains("does not allow"),
                "{:?}",
                ran.outcome
            );
            assert_eq!(
                (ran.usage.used.connections, peer.accepted()),
                (1, 1),
                "{}",
                redirect.name()
            );
            assert_eq!(
                peer.redirect_target().map_or(0, Peer::accepted),
                0,
                "{}",
                redirect.name()
            );
        }
    });
}

#[test]
fn a_name_that_nobody_granted_is_not_even_resolved() {
    alone(async {
        let server = Zone::new().address("other.test", LOOPBACK).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let ran = harness
            .guest_with("connect", json!(["other.test:80"]))
            .against(&peer)
            .run()
            .await;
        assert!(ran.leaves_nothing().answer().starts_with("denied("), "{ran:?}");
        assert_eq!((server.asked("other.test"), ran.usage.used.lookups), (0, 0));
    });
}

#[test]
fn a_granted_name_is_held_against_blocked_networks_once_it_is_resolved() {
    alone(async {
        let server = Zone::new().address("inner.test", PRIVATE).start();
        let blocked = Networks::parse(["private"]).expect("a network");
        let harness = Harness::settings()
            .name_server(server.address())
            .blocked(blocked)
            .start()
            .await;
        let attempt = harness.guest_with("connect", json!(["inner.test:80"]));
        let ran = attempt.allow("tcp://inner.test:80").run().await;
        assert!(ran.leaves_nothing().answer().starts_with("denied("), "{ran:?}");
        assert_eq!(ran.usage.used.connections, 0);
    });
}

#[test]
fn a_granted_network_covers_names_that_resolve_into_it_and_no_others() {
    alone(async {
        let server = Zone::new()
            .address("near.test", LOOPBACK)
            .address("far.test", PRIVATE)
            .start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let port = port(&peer);
        let places = json!([format!("near.test:{port}"), format!("far.test:{port}")]);
        let attempt = harness.guest_with("connect", places).allow("dns://*.test");
        let ran = attempt.allow(&format!("tcp://127.0.0.0/8:{port}")).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers()[0], peer.address().to_string());
        assert!(ran.answers()[1].starts_with("denied("), "{ran:?}");
        assert_eq!(ran.usage.used.connections, 1);
    });
}

#[test]
fn an_answer_holds_for_the_whole_run_so_that_a_name_cannot_change_its_mind() {
    alone(async {
        let server = Zone::new()
            .behaviour("flips.test", Behaviour::Flips(LOOPBACK, PRIVATE))
            .start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let peer = plain::echo();
        let port = port(&peer);
        let place = format!("flips.test:{port}");
        let attempt = harness.guest_with("connect", json!([place, place, place]));
        let attempt = attempt.allow("dns://flips.test");
        let ran = attempt.allow(&format!("tcp://127.0.0.0/8:{port}")).run().await;
        ran.leaves_nothing();
        let reached = peer.address().to_string();
        assert_eq!(ran.answers(), [&reached; 3]);
        assert_eq!((ran.usage.used.lookups, server.asked("flips.test")), (1, 2));
    });
}

#[test]
fn a_stand_in_a_proxy_and_a_name_server_must_be_granted_themselves() {
    alone(async {
        let harness = Harness::new().await;
        let (target, other) = (plain::echo(), plain::echo());
        let proxy = Proxy::start();
        let cases = [
            ("fetch", json!({ "connect_to": other.address().to_string() })),
            ("fetch", json!({ "proxy": proxy.url("http", "") })),
            ("ask_server", json!(other.address().to_string())),
        ];
        for (behaviour, parameters) in cases {
            let ran = harness
                .guest_with(behaviour, parameters)
                .against(&target)
                .allow("dns://asked.test")
                .run()
                .await;
            assert!(ran.leaves_nothing().answer().starts_with("denied("), "{ran:?}");
            assert_eq!(
                (ran.usage.used.connections, other.accepted(), proxy.accepted()),
                (0, 0, 0)
            );
        }
    });
}

#[test]
fn a_socks_proxy_goes_to_granted_places_only_by_name_and_by_address() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&["a.test"]).issue();
        let sites = [
            Site::start(|_| Reply::text("hello")),
            Site::start_tls(certificate.server_config(), |_| Reply::text("hello")),
        ];
        let proxy = Socks::demanding("me", "p@ss");
        let way = proxy.url("socks5", "").replace("://", "://me:p%40ss@");
        let attempt = |url: &str| {
            let attempt = harness.plugin("http").target(url).set("proxy", way.clone());
            let attempt = attempt.set("tls", json!({ "ca": authority.pem() }));
            attempt.allow(&format!("tcp://{}", proxy.address()))
        };
        let ports = sites.each_ref().map(|site| site.address().port());
        let asked = [
            ("http", format!("127.0.0.1:{}", ports[0])),
            ("http", format!("a.test:{}", ports[0])),
            ("https", format!("a.test:{}", ports[1])),
        ];
        for (scheme, place) in &asked {
            let ran = attempt(&format!("{scheme}://{place}/")).run().await;
            assert_eq!(ran.leaves_nothing().ended(), "pass", "{place}: {:?}", ran.outcome);
        }
        assert_eq!(proxy.asked(), asked.map(|(_, place)| place));
    });
}

#[test]
fn a_granted_proxy_goes_to_granted_places_only() {
    alone(async {
        let harness = Harness::new().await;
        let site = Site::start(|_| Reply::text("hello"));
        let (proxy, other) = (Proxy::start(), plain::echo());
        let fetch = |url: String| json!({ "proxy": proxy.url("http", ""), "url": url, "max_body": 10 });
        let attempt = |url| {
            let attempt = harness.guest_with("fetch", fetch(url)).against(&site);
            attempt.allow(&format!("tcp://{}", proxy.address())).run()
        };
        let ran = attempt(site.url("http", "/")).await;
        assert_eq!(
            ran.leaves_nothing().answer(),
            "200 kept 5 of 5 truncated false hops 0"
        );
        let ran = attempt(other.url("http", "/")).await;
        assert!(ran.leaves_nothing().answer().starts_with("denied("), "{ran:?}");
        assert_eq!((proxy.heads().len(), other.accepted()), (1, 0));
        // The proxy connects to the destination that it is sent, which was checked.
        let elsewhere = harness
            .plugin("http")
            .against(&site)
            .set("proxy", proxy.url("http", ""));
        let elsewhere = elsewhere.set("headers", json!({ "host": other.address().to_string() }));
        let ran = elsewhere.allow(&format!("tcp://{}", proxy.address())).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        let other = other.address().to_string();
        assert!(
            !proxy.heads().iter().any(|head| head.contains(&other)),
            "{:?}",
            proxy.heads()
        );
    });
}
