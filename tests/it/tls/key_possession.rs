//! Servers that present a certificate without having its private key: none passes, whatever else is allowed.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use canary_tests::certificate::{Authority, Certificate, Leaf, pem, provider};
use canary_tests::harness::{AttemptBuilder, Harness, alone, ms};
use canary_tests::peer::Peer;
use canary_tests::peer::tls::{NAMES, site};
use rcgen::{CustomExtension, PKCS_RSA_SHA256, PublicKeyData};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion};
use serde_json::{Value, json};

/// How a server signs the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SigningBehaviour {
    /// With the key of the certificate.
    Rightly,
    /// With another key.
    WithAnother,
    /// With bytes that are not a signature.
    WithGarbage,
    /// With the right signature and a trailing byte.
    WithATail,
    /// With an empty signature.
    WithNothing,
}
use SigningBehaviour::{Rightly, WithATail, WithAnother, WithGarbage, WithNothing};

const WRONG: [SigningBehaviour; 4] = [WithAnother, WithGarbage, WithATail, WithNothing];

#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Key(Arc<dyn SigningKey>, SigningBehaviour);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = self.0.choose_scheme(offered)?;
        Some(Box::new(ImpostorSigner(signer, self.1)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

#[derive(Debug)]
struct ImpostorSigner(Box<dyn Signer>, SigningBehaviour);

impl Signer for ImpostorSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = self.0.sign(message)?;
        match self.1 {
            Rightly | WithAnother => {}
            WithGarbage => signature.fill(0x5a),
            WithATail => signature.push(0),
            WithNothing => signature.clear(),
        }
        Ok(signature)
    }

    fn scheme(&self) -> SignatureScheme {
        self.0.scheme()
    }
}

type Chain = Vec<CertificateDer<'static>>;

/// Starts a server that presents a chain and signs with the key of a certificate, which may be another.
#[expect(
    clippy::expect_used,
    reason = "a server that cannot be made must fail its test"
)]
fn server(
    chain: Chain,
    holder: &Certificate,
    signing: SigningBehaviour,
    version: &'static SupportedProtocolVersion,
) -> Peer {
    let key = provider().key_provider.load_private_key(holder.key());
    let key = key.expect("the provider knows keys of this kind");
    let shown = CertifiedKey::new(chain, Arc::new(Key(key, signing)));
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[version]);
    let config = config
        .expect("the provider speaks every version")
        .with_no_client_auth();
    site(config.with_cert_resolver(Arc::new(Impostor(Arc::new(shown)))))
}

/// The expectations of a check about the server's certificate.
#[derive(Clone, Copy, Debug)]
struct Demand {
    is_trusted: bool,
    /// Whether the certificate itself is trusted.
    is_known: bool,
    is_pinned: bool,
}

/// All combinations of expectations.
fn demands() -> Vec<Demand> {
    let both = [true, false];
    let of = |is_trusted| both.map(|is_known| both.map(|is_pinned| (is_trusted, is_known, is_pinned)));
    let all = both.map(of).into_iter().flatten().flatten();
    all.map(|(is_trusted, is_known, is_pinned)| Demand {
        is_trusted,
        is_known,
        is_pinned,
    })
    .collect()
}

fn attempt<'h>(
    harness: &'h Harness,
    plugin: &str,
    peer: &Peer,
    leaf: &CertificateDer<'_>,
    demand: Demand,
) -> AttemptBuilder<'h> {
    let address = peer.address();
    let stranger = Authority::new("Stranger").pem();
    let ca = if demand.is_known { pem(leaf) } else { stranger };
    let options = json!({ "ca": ca, "trusted": demand.is_trusted });
    let attempt = harness.plugin(plugin).timeout(ms(10_000));
    match (plugin, options) {
        ("tls", Value::Object(options)) => {
            let attempt = attempt.target(&address.to_string());
            let attempt = options
                .into_iter()
                .fold(attempt, |attempt, (key, value)| attempt.set(&key, value));
            if demand.is_pinned {
                let pin = hex::encode(digest(&SHA256, leaf));
                attempt.set("fingerprints", json!([pin]))
            } else {
                attempt
            }
        }
        ("http", options) => attempt.target(&format!("https://{address}/")).set("tls", options),
        (_, options) => attempt.target(&address.to_string()).set("tls", options),
    }
}

#[test]
fn nobody_passes_who_does_not_hold_the_key() {
    alone(async {
        let harness = Harness::new().await;
        let (certificate, other) = (
            Leaf::self_signed(&NAMES).issue(),
            Leaf::self_signed(&NAMES).issue(),
        );
        for version in [&TLS12, &TLS13] {
            for signing in [Rightly].into_iter().chain(WRONG) {
                let holder = if signing == WithAnother {
                    &other
                } else {
                    &certificate
                };
                let peer = server(certificate.chain(), holder, signing, version);
                for (plugin, demand) in ["tls", "http", "tcp"]
                    .into_iter()
                    .flat_map(|plugin| demands().into_iter().map(move |demand| (plugin, demand)))
                    .filter(|(plugin, demand)| *plugin == "tls" || !demand.is_pinned)
                {
                    let leaf = certificate.chain().remove(0);
                    let ran = attempt(&harness, plugin, &peer, &leaf, demand).run().await;
                    let is_right = signing == Rightly && (demand.is_known || !demand.is_trusted);
                    let what = format!(
                        "{plugin} {:?} {signing:?} {demand:?}: {:?}",
                        version.version, ran.outcome
                    );
                    let expected = if is_right { "pass" } else { "fail" };
                    assert_eq!(ran.leaves_nothing().ended(), expected, "{what}");
                    let is_said = ran.verdict().summary.contains("did not prove that it holds");
                    let is_verified = demand.is_known || !demand.is_trusted || plugin == "tls";
                    assert_eq!(is_said, signing != Rightly && is_verified, "{what}");
                }
            }
        }
    });
}

const UNVERIFIED: Demand = Demand {
    is_trusted: false,
    is_known: false,
    is_pinned: false,
};

#[test]
fn a_certificate_that_makes_no_sense_proves_its_key_all_the_same() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let critical = authority.leaf(&NAMES).with(|params| {
            let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        });
        let other = authority.leaf(&NAMES).issue();
        for odd in [critical.issue(), authority.leaf(&NAMES).issue_version_1()] {
            for version in [&TLS12, &TLS13] {
                for (holder, expected) in [(&odd, "pass"), (&other, "fail")] {
                    let peer = server(odd.chain(), holder, Rightly, version);
                    for plugin in ["tls", "http", "tcp"] {
                        let leaf = odd.chain().remove(0);
                        let demand = Demand {
                            is_pinned: plugin == "tls",
                            ..UNVERIFIED
                        };
                        let ran = attempt(&harness, plugin, &peer, &leaf, demand).run().await;
                        let what = format!("{plugin} {:?}: {:?}", version.version, ran.outcome);
                        assert_eq!(ran.leaves_nothing().ended(), expected, "{what}");
                    }
                }
            }
        }
    });
}

/// An RSA key of 1,024 bits whose private key does not exist.
struct WeakKey(Vec<u8>);

impl WeakKey {
    fn new() -> Self {
        let head = [0x30, 0x81, 0x89, 2, 0x81, 0x81, 0];
        let end = [2, 3, 1, 0, 1];
        Self([&head[..], &[0xa5; 128], &end].concat())
    }
}

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

#[test]
fn a_key_whose_signatures_nobody_can_verify_proves_nothing() {
    alone(async {
        let harness = Harness::new().await;
        let authority = Authority::new("Test Root");
        let holder = authority.leaf(&NAMES).issue();
        let weak = authority.leaf(&NAMES).issue_for(&WeakKey::new());
        let garbage = CertificateDer::from(&b"garbage"[..]);
        for (leaf, said) in [
            (
                weak,
                "holds the certificate's key: the key (RSA 1024) is too weak",
            ),
            (
                garbage,
                "holds the certificate's key: the certificate cannot be read",
            ),
        ] {
            for version in [&TLS12, &TLS13] {
                let peer = server(vec![leaf.clone()], &holder, Rightly, version);
                for plugin in ["tls", "http", "tcp"] {
                    let ran = attempt(&harness, plugin, &peer, &leaf, UNVERIFIED).run().await;
                    let what = format!("{plugin} {:?}: {:?}", version.version, ran.outcome);
                    assert_eq!(ran.leaves_nothing().ended(), "fail", "{what}");
                    let verdict = ran.verdict();
                    assert!(verdict.summary.contains(said), "{what}");
                    // Before TLS 1.3 the certificate is not encrypted, and is reported if it can be parsed.
                    let mut numbers = verdict.measurements.iter();
                    let has_dates = numbers.any(|number| number.name.ends_with("days_left"));
                    let is_shown =
                        plugin == "tls" && version.version == TLS12.version && said.contains("RSA");
                    assert_eq!(has_dates, is_shown, "{what}");
                }
            }
        }
    });
}
