//! Servers with RSA-PSS keys, which only openssl can generate here. `openssl s_client` accepts all of them.

use canary_tests::harness::{Harness, alone};
use canary_tests::openssl::{Openssl, Server};
use serde_json::json;

const OF_256: [&str; 3] = [
    "rsa_pss_keygen_md:sha256",
    "rsa_pss_keygen_mgf1_md:sha256",
    "rsa_pss_keygen_saltlen:32",
];
const OF_512: [&str; 3] = [
    "rsa_pss_keygen_md:sha512",
    "rsa_pss_keygen_mgf1_md:sha512",
    "rsa_pss_keygen_saltlen:64",
];
/// A salt that is shorter than the hash.
const ODD: [&str; 3] = [
    "rsa_pss_keygen_md:sha256",
    "rsa_pss_keygen_mgf1_md:sha256",
    "rsa_pss_keygen_saltlen:20",
];

#[test]
fn servers_with_keys_for_rsa_pss_alone_pass_over_tls_1_3() {
    alone(async {
        let Some(openssl) = Openssl::find() else { return };
        openssl.pss_key("root", &OF_256);
        let root = openssl.authority("root");
        let cases = servers(&openssl);
        // The baseline of descriptors is taken here.
        let harness = Harness::new().await;
        for (server, ended, says) in &cases {
            let address = server.address().to_string();
            let tls = harness.plugin("tls").target(&address).set("ca", root.as_str());
            let http = harness.plugin("http").target(&format!("https://{address}/"));
            let http = http.set("tls", json!({ "ca": root }));
            for attempt in [tls, http] {
                let ran = attempt.run().await;
                let outcome = &ran.leaves_nothing().outcome;
                assert_eq!(ran.ended(), *ended, "{outcome:?}");
                assert!(outcome.summary().contains(says), "{outcome:?}");
            }
        }
    });
}

/// Servers, with the outcomes and messages of checks.
fn servers(openssl: &Openssl) -> [(Server, &'static str, &'static str); 5] {
    let server = |name, key: &[&str], options: &[&str]| {
        openssl.pss_key(name, key);
        openssl.issue(name, "root");
        openssl.serve(name, options)
    };
    [
        (server("any", &[], &[]), "pass", ""),
        (server("of256", &OF_256, &[]), "pass", ""),
        (server("of512", &OF_512, &[]), "pass", ""),
        (
            server("odd", &ODD, &[]),
            "fail",
            "has unsupported parameters: hash, mask and salt",
        ),
        (
            server("old", &[], &["-tls1_2"]),
            "fail",
            "the server's key is for RSA-PSS alone (id-RSASSA-PSS), and the server speaks TLS 1.2",
        ),
    ]
}
