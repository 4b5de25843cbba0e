//! Names with several addresses: a preferred address family, or a check of each address.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use canary::grant::Networks;
use canary::quota::QuotaKind;
use canary_tests::certificate::Authority;
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::dns::{Behaviour, NameServer, Zone};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain::{self, Proxy};
use serde_json::json;

const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A loopback address at which nothing listens.
const CLOSED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Only IPv4 is listened on: IPv6 is refused.
#[test]
fn the_other_family_is_tried_where_the_preferred_one_has_no_address_that_answers() {
    alone(async {
        let zone = Zone::new().address("both.test", FOUR).address("both.test", SIX);
        let server = zone.address("four.test", FOUR).start();
        let harness = Harness::settings().name_server(server.address()).start().await;
        let site = Site::start(|_| Reply::text("ok"));
        let port = site.address().port();
        for (name, family, ended) in [
            ("both.test", "any", "pass"),
            ("both.test", "prefer_ipv4", "pass"),
            ("both.test", "prefer_ipv6", "pass"),
            ("four.test", "prefer_ipv6", "pass"),
            ("four.test", "ipv6", "fail"),
            ("both.test", "ipv6", "fail"),
        ] {
            let tcp = harness.plugin("tcp").target(&format!("{name}:{port}"));
            let http = harness.plugin("http").target(&format!("http://{name}:{port}/"));
            let tcp = tcp.set("peer_address", "127.0.0.1");
            let http = http.set("expect", json!({ "peer_address": "127.0.0.1" }));
            for attempt in [tcp, http] {
                let ran = attempt.set("ip_family", family).run().await;
                assert_eq!(
                    ran.leaves_nothing().ended(),
                    ended,
                    "{name} {family}: {:?}",
                    ran.outcome
                );
            }
        }
    });
}

/// A name server that knows `two.test`, where a peer listens at one of two addresses, and `other.test`.
fn two() -> NameServer {
    let zone = Zone::new().address("two.test", FOUR).address("two.test", CLOSED);
    zone.address("other.test", FOUR).start()
}

async fn harness(server: &NameServer) -> Harness {
    Harness::settings().name_server(server.address()).start().await
}

/// Names and statuses of the assertions on addresses, in alphabetical order.
fn addresses(ran: &AttemptResult) -> Vec<String> {
    let assertions = ran.verdict().assertions.iter();
    let mut shown: Vec<_> = assertions
        .filter(|assertion| assertion.name.starts_with("address"))
        .map(|assertion| format!("{}: {}", &*assertion.name, assertion.status.as_str()))
        .collect();
    shown.sort();
    shown
}

/// The addresses that measurements are of.
fn measured_at(ran: &AttemptResult) -> BTreeSet<&str> {
    let measurements = ran.verdict().measurements.iter();
    let attributes = measurements.map(|number| number.attributes.iter().find(|(key, _)| &**key == "address"));
    attributes
        .map(|attribute| attribute.map_or("none", |(_, value)| &**value))
        .collect()
}

#[test]
fn each_address_of_a_name_is_an_assertion_of_its_own() {
    alone(async {
        let server = two();
        let harness = harness(&server).await;
        let authority = Authority::new("Test Root");
        let certificate = authority.leaf(&["two.test"]).issue();
        let plain = Site::start(|_| Reply::text("ok"));
        let secure = Site::start_tls(certificate.server_config(), |_| Reply::text("ok"));
        let at = |site: &Site| format!("two.test:{}", site.address().port());
        let url = |scheme: &str, site: &Site| format!("{scheme}://{}/", at(site));
        let ca = json!({ "ca": authority.pem() });
        for attempt in [
            harness.plugin("tcp").target(&at(&plain)),
            harness.plugin("tcp").target(&at(&secure)).set("tls", ca.clone()),
            harness
                .plugin("tls")
                .target(&at(&secure))
                .set("ca", authority.pem()),
            harness.plugin("http").target(&url("http", &plain)),
            harness
                .plugin("http")
                .target(&url("https", &secure))
                .set("tls", ca),
        ] {
            let one = attempt.clone().run().await;
            assert_eq!(one.leaves_nothing().ended(), "pass", "{:?}", one.outcome);
            let attempt = attempt.set("addresses", "all");
            let all = attempt.clone().run().await;
            assert_eq!(all.leaves_nothing().ended(), "fail", "{:?}", all.outcome);
            assert_eq!(
                addresses(&all),
                ["address 127.0.0.1: pass", "address 127.0.0.2: fail"]
            );
            assert_eq!(
                all.outcome.summary(),
                "1 of 2 addresses failed: 127.0.0.2: connect: connection refused"
            );
            assert_eq!(measured_at(&all), BTreeSet::from(["127.0.0.1"]), "{all:?}");
            // If the expectation were inverted, it would pass although one address works.
            let upside_down = attempt.expect_failure().run().await;
            assert_eq!(
                upside_down.leaves_nothing().ended(),
                "pass",
                "{:?}",
                upside_down.outcome
            );
        }
    });
}

#[test]
fn the_place_that_a_url_names_is_the_one_that_is_checked() {
    alone(async {
        let server = two();
        let harness = harness(&server).await;
        let site = Site::start(|request| match request.path() {
            "/away" => Reply::redirect(
                302,
                &format!("http://other.test:{}/", request.header("x-port").unwrap_or("1")),
            ),
            _ => Reply::text("ok"),
        });
        let port = site.address().port();
        let check = |url: &str| harness.plugin("http").target(url).set("addresses", "all");
        for (url, known) in [
            (format!("http://TWO.test.:{port}/x?y"), 2),
            (format!("http://two.test:{port}"), 2),
            (format!("http://other.test:{port}/"), 1),
            (format!("http://127.0.0.1:{port}/"), 1),
            (format!("http://0x7f000001:{port}/"), 1),
        ] {
            let ran = check(&url).run().await;
            assert_eq!(addresses(&ran).len(), known, "{url}: {ran:?}");
            assert_eq!(addresses(&ran)[0], "address 127.0.0.1: pass", "{url}: {ran:?}");
        }
        let stand_in = check("http://nowhere.test/").set("connect_to", format!("two.test:{port}"));
        let ran = stand_in.allow(&format!("tcp://two.test:{port}")).run().await;
        assert_eq!(addresses(&ran).len(), 2, "{ran:?}");

        let away = check(&format!("http://two.test:{port}/away"))
            .set("headers", json!({ "x-port": port.to_string() }));
        let ran = away.allow(&format!("tcp://other.test:{port}")).run().await;
        assert_eq!(
            addresses(&ran)[0],
            "address 127.0.0.1: pass",
            "another origin has addresses of its own: {ran:?}"
        );
    });
}

#[test]
fn each_address_is_checked_within_the_quotas_and_grants_of_the_check() {
    alone(async {
        let server = two();
        let peer = plain::echo();
        let target = format!("two.test:{}", peer.address().port());
        let unbounded = harness(&server).await;
        let attempt = unbounded.plugin("tcp").target(&target).set("addresses", "all");
        let ran = attempt.quota(|quota| quota.connections = 1).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "fail");
        assert_eq!(ran.denied(QuotaKind::Connections), 1, "{ran:?}");
        assert_eq!(ran.usage.used.lookups, 1, "the name is looked up once");

        let settings = Harness::settings().name_server(server.address());
        let blocked = Networks::parse(["127.0.0.2/32"]).expect("a network");
        let harness = settings.blocked(blocked).start().await;
        let ran = harness
            .plugin("tcp")
            .target(&target)
            .set("addresses", "all")
            .run()
            .await;
        assert_eq!(
            ran.leaves_nothing().ended(),
            "fail",
            "nobody knows how the other one is"
        );
        assert!(
            ran.outcome.summary().contains("127.0.0.2: connect: "),
            "{:?}",
            ran.outcome
        );
        assert!(ran.usage.own_fault().is_some());
    });
}

#[test]
fn a_family_that_name_servers_do_not_answer_about_is_a_warning() {
    alone(async {
        let zone = Zone::new().address("half.test", FOUR);
        let server = zone.default_behaviour(Behaviour::DropsAaaa).start();
        let harness = harness(&server).await;
        let peer = plain::echo();
        let target = format!("half.test:{}", peer.address().port());
        let attempt = harness.plugin("tcp").target(&target).set("addresses", "all");
        let ran = attempt.clone().run().await;
        assert_eq!(ran.leaves_nothing().ended(), "warn", "{ran:?}");
        assert!(
            ran.outcome.summary().contains("did not answer"),
            "{:?}",
            ran.outcome
        );
        let ran = attempt.set("ip_family", "ipv4").run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{ran:?}");
    });
}

/// A name server that knows names with an IPv6 address, where nothing answers, and an IPv4 address.
fn dual(names: &[&str]) -> NameServer {
    let zone = names.iter().fold(Zone::new(), |zone, name| {
        zone.address(name, FOUR).address(name, SIX)
    });
    zone.start()
}

#[test]
fn a_check_with_one_socket_tries_addresses_one_after_another() {
    alone(async {
        let server = dual(&["both.test", "other.test"]);
        let harness = harness(&server).await;
        let other = Site::start(|_| Reply::text("there"));
        let place = format!("http://other.test:{}/", other.address().port());
        let site = Site::start(move |request| match request.path() {
            "/away" => Reply::redirect(302, &place),
            _ => Reply::text("here"),
        });
        let silent = |site: &Site| plain::full_at((Ipv6Addr::LOCALHOST, site.address().port()).into());
        let _silent = (silent(&site), silent(&other));
        let at = format!("both.test:{}", site.address().port());
        let url = |path: &str| format!("http://{at}{path}");
        for attempt in [
            harness.plugin("tcp").target(&at),
            harness.plugin("http").target(&url("/")),
            harness
                .plugin("http")
                .target(&url("/away"))
                .allow(&format!("http://other.test:{}", other.address().port()))
                .set("expect", json!({ "body": { "contains": "there" } })),
        ] {
            for sockets in [1, 2] {
                let attempt = attempt.clone().quota(|quota| quota.sockets = sockets);
                // The silent address has a turn of 2 s for each connection.
                let ran = attempt.timeout(ms(20_000)).run().await;
                assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
                assert_eq!(ran.denied(QuotaKind::Sockets), 0, "{:?}", ran.usage);
                assert_eq!(ran.usage.used.sockets_peak, sockets, "{:?}", ran.usage);
            }
        }
    });
}

#[test]
fn a_check_with_one_socket_reaches_its_target_through_a_proxy_and_its_redirects() {
    alone(async {
        let server = dual(&["proxy.test"]);
        let harness = harness(&server).await;
        let proxy = Proxy::start();
        let port = proxy.address().port();
        let _silent = plain::full_at((Ipv6Addr::LOCALHOST, port).into());
        let site = Site::start(|request| match request.path() {
            "/" => Reply::redirect(302, "/end"),
            _ => Reply::text("ok"),
        });
        let attempt = harness.plugin("http").target(&site.url("http", "/"));
        let attempt = attempt.set("proxy", format!("http://proxy.test:{port}"));
        let attempt = attempt.allow(&format!("tcp://proxy.test:{port}"));
        let attempt = attempt.quota(|quota| quota.sockets = 1);
        let ran = attempt.timeout(ms(20_000)).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
        assert_eq!(ran.denied(QuotaKind::Sockets), 0, "{:?}", ran.usage);
    });
}
