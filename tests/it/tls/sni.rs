//! Handshakes without a server name, beside `openssl s_client -noservername`.
#![expect(clippy::expect_used, reason = "what is missing must fail the test")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use canary_tests::certificate::{Authority, Certificate};
use canary_tests::command::{Program, find};
use canary_tests::harness::{AttemptBuilder, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::dns::Zone;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::starttls::{Protocol, StartTlsBehaviour};
use canary_tests::peer::tls::{config_by_name, site};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

const DEFAULT: &str = "default.test";
const SHOP: &str = "shop.test";

/// The certificate of a server for clients that send no name, and that for `shop.test`.
struct Server {
    authority: Authority,
    default: Certificate,
    shop: Certificate,
}

impl Server {
    fn new() -> Self {
        let authority = Authority::new("Test Root");
        let leaf = |name| authority.leaf(&[name]).valid_until_days(60).issue();
        Self {
            default: leaf(DEFAULT),
            shop: leaf(SHOP),
            authority,
        }
    }

    fn config(&self) -> rustls::ServerConfig {
        config_by_name(&self.default, &[(SHOP, &self.shop)])
    }
}

/// What is expected of the server's certificate, whether the name is sent, and whether that passes.
const CASES: [(&str, bool, bool); 4] = [
    (SHOP, true, true),
    // The server does not know which certificate is meant.
    (SHOP, false, false),
    (DEFAULT, false, true),
    (DEFAULT, true, true),
];

/// One attempt of each plugin. Those with an unset `sni` send the name.
fn attempts<'h>(
    harness: &'h Harness,
    (web, mail): (&Peer, &Peer),
    tls: &Value,
) -> Vec<(&'static str, AttemptBuilder<'h>)> {
    let mut certificate = harness.plugin("tls").against(web);
    let mut upgraded = harness.plugin("tls").against(mail).set("starttls", "smtp");
    for (key, value) in tls.as_object().expect("options") {
        certificate = certificate.set(key, value.clone());
        upgraded = upgraded.set(key, value.clone());
    }
    let dialogue = json!([
        { "expect": { "matches": "^220 " } },
        { "send": "EHLO canary.test\r\n" },
        { "expect": { "matches": "^250 " } },
        { "send": "STARTTLS\r\n" },
        { "expect": { "matches": "^220 " } },
        { "start_tls": tls },
    ]);
    vec![
        ("tls", certificate),
        ("tls with starttls", upgraded),
        (
            "http",
            harness
                .plugin("http")
                .target(&web.url("https", "/"))
                .set("tls", tls.clone()),
        ),
        ("tcp", harness.plugin("tcp").against(web).set("tls", tls.clone())),
        (
            "tcp with start_tls",
            harness.plugin("tcp").against(mail).set("dialogue", dialogue),
        ),
    ]
}

#[test]
fn a_server_without_a_name_to_choose_by_shows_its_default_certificate() {
    alone(async {
        let harness = Harness::new().await;
        let server = Server::new();
        let web = site(server.config());
        let mail = Protocol::Smtp.start(StartTlsBehaviour::Upgrades, server.config());
        let folder = tempfile::tempdir().expect("a folder");
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, server.authority.pem()).expect("a file");
        for (name, is_sent, passes) in CASES {
            let tls = json!({ "server_name": name, "sni": is_sent, "ca": server.authority.pem() });
            for (plugin, attempt) in attempts(&harness, (&web, &mail), &tls) {
                let ran = attempt.timeout(ms(20_000)).run().await;
                let expected = if passes { "pass" } else { "fail" };
                let outcome = &ran.leaves_nothing().outcome;
                assert_eq!(ran.ended(), expected, "{plugin} {name} {is_sent}: {outcome:?}");
                assert!(
                    passes || outcome.summary().contains(name),
                    "{plugin}: {outcome:?}"
                );
            }
            let Some(openssl) = find("openssl") else { continue };
            let address = web.address().to_string();
            let sni: &[&str] = if is_sent {
                &["-servername", name]
            } else {
                &["-noservername"]
            };
            let program = Program::at(openssl).args(["s_client", "-connect", &address]);
            let program = program.args(["-verify_return_error", "-verify_hostname", name]);
            let program = program
                .args(sni)
                .args(["-CAfile", ca.to_str().expect("a plain path")]);
            let ending = tokio::task::spawn_blocking(|| program.run())
                .await
                .expect("it ends");
            assert_eq!(ending.code == 0, passes, "{name} {is_sent}: {ending:?}");
        }
    });
}

/// Also what an older client would send, in the second connection.
#[test]
fn a_name_that_is_not_to_be_sent_is_in_no_hello() {
    alone(async {
        let harness = Harness::new().await;
        for (is_sent, plugin) in [(true, "tls"), (false, "tls"), (true, "http"), (false, "http")] {
            let received = Arc::new(Mutex::new(Vec::new()));
            let log = received.clone();
            let peer = Peer::tcp(move |mut connection| {
                let log = log.clone();
                async move {
                    let mut hello = vec![0; 4096];
                    let read = connection.read(&mut hello).await?;
                    hello.truncate(read);
                    log.lock().expect("no panic").push(hello);
                    Ok(())
                }
            });
            let options = json!({ "server_name": SHOP, "sni": is_sent });
            let attempt = match plugin {
                "tls" => harness
                    .plugin("tls")
                    .against(&peer)
                    .set("server_name", SHOP)
                    .set("sni", is_sent),
                _ => harness
                    .plugin("http")
                    .target(&peer.url("https", "/"))
                    .set("tls", options),
            };
            let ran = attempt.run().await;
            assert_eq!(ran.leaves_nothing().ended(), "fail", "{:?}", ran.outcome);
            let hellos = received.lock().expect("no panic").clone();
            assert_eq!(hellos.len(), 2, "the second is that of an older client");
            for hello in hellos {
                let has_name = hello.windows(SHOP.len()).any(|part| part == SHOP.as_bytes());
                assert_eq!(has_name, is_sent, "{plugin}");
            }
        }
    });
}

/// Others may need the name.
#[test]
fn a_redirect_to_another_origin_sends_the_name() {
    alone(async {
        let zone = Zone::new()
            .address(SHOP, Ipv4Addr::LOCALHOST)
            .address(DEFAULT, Ipv4Addr::LOCALHOST)
            .start();
        let harness = Harness::settings().name_server(zone.address()).start().await;
        let server = Server::new();
        let second = Site::start_tls(server.config(), |_| Reply::text("here"));
        let to = format!("https://{SHOP}:{}/", second.address().port());
        let location = to.clone();
        let first = Site::start_tls(server.config(), move |_| Reply::redirect(302, &location));
        let attempt = harness
            .plugin("http")
            .target(&format!("https://{DEFAULT}:{}/", first.address().port()))
            .set("ip_family", "ipv4")
            .set("tls", json!({ "sni": false, "ca": server.authority.pem() }));
        let ran = attempt.allow(&to).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass", "{:?}", ran.outcome);
    });
}
