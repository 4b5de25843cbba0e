//! The exporter's TCP cases, with and without TLS.

use canary::trace::StepKind;
use canary_tests::certificate::{Authority, Certificate};
use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::plain::Dialogue;
use canary_tests::peer::starttls::{Protocol, StartTlsBehaviour};
use canary_tests::peer::tls::NAMES;
use canary_tests::peer::{Peer, tls};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{fails, succeeds};

/// A server that sends a text and closes.
fn says(text: &'static str) -> Peer {
    Peer::tcp(move |mut connection| async move { connection.write_all(text.as_bytes()).await })
}

fn dialogue(steps: Value) -> Value {
    json!({ "dialogue": steps })
}

/// The captured value, or an empty text.
fn captured<'r>(ran: &'r AttemptResult, name: &str) -> &'r str {
    let mut attributes = ran.verdict().attributes.iter();
    let key = format!("capture.{name}");
    attributes
        .find(|(known, _)| **known == *key)
        .map_or("", |(_, value)| value)
}

#[test]
fn connections() {
    alone(async {
        let harness = Harness::new().await;
        let peer = says("");
        let attempt = harness.plugin("tcp").against(&peer);
        succeeds("a port that is open", json!({}))
            .assert_verdict(attempt)
            .await;
        let address = peer.address().to_string();
        drop(peer);
        let attempt = harness.plugin("tcp").target(&address);
        fails("a port that is closed", json!({}))
            .assert_verdict(attempt)
            .await;
    });
}

fn over_tls(certificate: &Certificate) -> Peer {
    tls::server(certificate.server_config(), |mut stream| async move {
        stream.shutdown().await
    })
}

#[test]
fn connections_over_tls() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let peer = over_tls(&authority.leaf(&["localhost"]).issue());
        let address = peer.address().to_string();
        let named = address.replacen("127.0.0.1", "localhost", 1);
        let tls = |name: Option<&str>| json!({ "tls": { "ca": authority.pem(), "server_name": name } });
        for (target, case) in [
            (&named, succeeds("the name of the target", tls(None))),
            (
                &address,
                fails("an address that the certificate is not for", tls(None)),
            ),
            (
                &address,
                succeeds("the name of the suite", tls(Some("localhost"))),
            ),
        ] {
            case.assert_verdict(harness.plugin("tcp").target(target)).await;
        }
    });
}

#[test]
fn dialogues() {
    const SSH: &str = "SSH-2.0-OpenSSH_6.9p1 Debian-2\r\n";
    const NOTICE: &str = ":ircd.localhost NOTICE AUTH :*** Looking up your hostname...\n";
    let irc = |last: &str| {
        let server = Dialogue::new(NOTICE).reply("NICK", "");
        server.farewell("USER", last).start()
    };
    let joins = dialogue(json!([
        { "send": "NICK prober\n" },
        { "send": "USER prober prober prober :prober\n" },
        { "expect": { "matches": "^:[^ ]+ 001" } },
    ]));
    let confirms = dialogue(json!([
        { "expect": { "matches": "^SSH-2.0-(?<version>[^ -]+)(?: (?<comments>.*))?$" } },
        { "send": "CONFIRM ${version}\n" },
        { "expect": { "equals": "yes" } },
    ]));
    let bytes = dialogue(json!([{ "expect": { "equals": "not-a-line" } }]));
    let banner = dialogue(json!([{ "expect": { "matches": "SSH-2.0-(OpenSSH_6.9p1) Debian-2" } }]));
    alone(async {
        let harness = Harness::new().await;
        let welcome = irc(":ircd.localhost 001 prober :Welcome to IRC!\n");
        let banned = irc("ERROR: Your IP address has been blacklisted.\n");
        let ssh = Dialogue::new(SSH)
            .farewell("CONFIRM OpenSSH_6.9p1\n", "yes")
            .start();
        for (peer, case) in [
            (&welcome, succeeds("IRC lets us in", joins.clone())),
            (&banned, fails("IRC does not", joins)),
            (
                &says("not-a-line"),
                succeeds("bytes that are no line", bytes.clone()),
            ),
            (&says("something-else"), fails("other bytes", bytes)),
            (&says(""), fails("a peer that closes at once", banner)),
        ] {
            case.assert_verdict(harness.plugin("tcp").against(peer)).await;
        }
        let case = succeeds("what SSH says is used and kept", confirms);
        let ran = case.assert_verdict(harness.plugin("tcp").against(&ssh)).await;
        assert_eq!(captured(&ran, "version"), "OpenSSH_6.9p1");
        assert_eq!(captured(&ran, "comments"), "Debian-2");
    });
}

#[test]
fn tls_in_the_middle_of_a_dialogue() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let peer = Protocol::Smtp.start(
            StartTlsBehaviour::Upgrades,
            authority.leaf(&NAMES).issue().server_config(),
        );
        let steps = json!([
            { "expect": { "matches": "^220 " } },
            { "send": "EHLO tls.prober\r\n" },
            { "expect": { "matches": "^250[- ]STARTTLS" } },
            { "send": "STARTTLS\r\n" },
            { "expect": { "matches": "^220" } },
            { "start_tls": { "ca": authority.pem() } },
        ]);
        let attempt = harness.plugin("tcp").against(&peer).timeout(ms(3_000));
        succeeds("STARTTLS", dialogue(steps))
            .assert_verdict(attempt)
            .await;
    });
}

#[test]
fn families() {
    alone(async {
        let harness = Harness::new().await;
        let peer = says("");
        let target = format!("localhost:{}", peer.address().port());
        for family in ["ipv4", "prefer_ipv4", "prefer_ipv6"] {
            let config = json!({ "ip_family": family, "peer_address": "127.0.0.1" });
            let attempt = harness.plugin("tcp").target(&target);
            let ran = succeeds("a family, or the other one", config)
                .assert_verdict(attempt)
                .await;
            let is_connect = |kind: &StepKind| matches!(kind, StepKind::Connect { .. });
            assert!(
                ran.trail.steps.iter().any(|step| is_connect(&step.kind)),
                "{ran:?}"
            );
        }
    });
}
