//! Validates TLS options without a handshake, by preparing one up to the first byte.

use super::identity::UNREADABLE;
use super::{
    MAX_CHAIN, MAX_ROOTS, Roots, TlsOptions, identity, parse_certificates, parse_server_name, versions,
};
use crate::NetError;
use crate::bounded::Pem;
use crate::check::InvalidFields;
use canary_system::pem;

impl TlsOptions {
    /// The fields that a handshake would reject.
    #[must_use]
    pub fn check(&self) -> InvalidFields {
        let mut fields = InvalidFields::default();
        if let Some(name) = &self.server_name {
            fields.check("server-name", parse_server_name(name));
        }
        fields.check("max-version", versions(self));
        if let Some(pem) = &self.ca_certificates {
            fields.check("ca-certificates", authorities(pem));
        }
        if let Some((chain, key)) = &self.client_identity {
            let certificates = fields.check("client-certificate", client_chain(chain));
            let key = fields.check("client-key", private_key(key));
            // Each is valid by itself; check that they belong together.
            if certificates.is_some() && key.is_some() {
                fields.check("client-key", identity(self));
            }
        }
        fields
    }
}

/// Checks that a certificate can be for a host.
///
/// # Errors
/// Why it cannot.
pub(crate) fn check_server_name(host: &str) -> Result<(), String> {
    match parse_server_name(host) {
        Ok(_) => Ok(()),
        Err(NetError::Tls(reason)) => Err(reason),
        Err(other) => Err(other.to_string()),
    }
}

fn authorities(pem: &Pem) -> Result<(), NetError> {
    let roots = Roots::new(parse_certificates(pem, "ca certificates", MAX_ROOTS)?);
    if roots.anchors.is_empty() {
        Err(NetError::Invalid(
            "ca certificates: the text holds no certificate that can be an authority".to_owned(),
        ))
    } else {
        Ok(())
    }
}

fn client_chain(pem: &Pem) -> Result<(), NetError> {
    let chain = parse_certificates(pem, "client certificates", MAX_CHAIN)?;
    let leaf = chain
        .first()
        .map(|leaf| x509_parser::parse_x509_certificate(leaf));
    match leaf {
        Some(Ok(_)) => Ok(()),
        _ => Err(NetError::Invalid(format!("tls options: {UNREADABLE}"))),
    }
}

fn private_key(pem: &Pem) -> Result<(), NetError> {
    let key = pem::private_key(pem.as_bytes());
    key.map(drop)
        .map_err(|error| NetError::Invalid(format!("client key: the text {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::HostText;
    use crate::tls::TlsVersion;

    /// The invalid fields and the reasons.
    fn wrong(options: &TlsOptions) -> Vec<String> {
        let fields = options.check().into_vec();
        let shown = fields
            .into_iter()
            .map(|wrong| format!("{}: {}", wrong.field, wrong.message));
        shown.collect()
    }

    fn pem(text: &str) -> Pem {
        Pem::new("the pem", text.to_owned()).unwrap()
    }

    fn identity() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["client.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn options_that_make_sense_are_left_alone() {
        assert_eq!(wrong(&TlsOptions::default()), [""; 0]);
        let (chain, key) = identity();
        let options = TlsOptions {
            server_name: Some(HostText::new("the name", "bücher.test".to_owned()).unwrap()),
            ca_certificates: Some(pem(&chain)),
            client_identity: Some((pem(&chain), pem(&key))),
            ..TlsOptions::default()
        };
        assert_eq!(wrong(&options), [""; 0]);
    }

    #[test]
    fn a_server_name_is_a_name_or_an_address() {
        for (name, fits) in [
            ("example.com", true),
            ("192.0.2.1", true),
            ("my_app", true),
            ("", false),
            ("foo:443", false),
            ("a b", false),
            ("*.example.com", false),
        ] {
            let options = TlsOptions {
                server_name: Some(HostText::new("the name", name.to_owned()).unwrap()),
                ..TlsOptions::default()
            };
            assert_eq!(wrong(&options).is_empty(), fits, "{name}: {:?}", wrong(&options));
        }
    }

    #[test]
    fn versions_have_an_order() {
        let options = TlsOptions {
            min_version: Some(TlsVersion::Tls13),
            max_version: Some(TlsVersion::Tls12),
            ..TlsOptions::default()
        };
        assert_eq!(
            wrong(&options),
            ["max-version: the minimum TLS version is above the maximum"]
        );
    }

    #[test]
    fn authorities_are_certificates_one_of_which_can_be_read() {
        let of = |text: &str| {
            wrong(&TlsOptions {
                ca_certificates: Some(pem(text)),
                ..TlsOptions::default()
            })
        };
        assert_eq!(
            of("not pem"),
            ["ca-certificates: ca certificates: the text contains no certificate in PEM format"]
        );
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(
            of(empty),
            ["ca-certificates: ca certificates: the text holds no certificate that can be an authority"]
        );
        let (good, _) = identity();
        assert_eq!(of(&format!("{empty}{good}")), [""; 0]);
    }

    #[test]
    fn a_client_identity_is_a_chain_and_the_key_that_belongs_to_it() {
        let of = |chain: &str, key: &str| {
            wrong(&TlsOptions {
                client_identity: Some((pem(chain), pem(key))),
                ..TlsOptions::default()
            })
        };
        let ((chain, key), (_, other)) = (identity(), identity());
        assert_eq!(of(&chain, &key), [""; 0]);
        assert_eq!(
            of(&chain, &other),
            ["client-key: tls options: the private key does not belong to the certificate"]
        );
        assert_eq!(
            of("x", "y"),
            [
                "client-certificate: client certificates: the text contains no certificate in PEM format",
                "client-key: client key: the text contains no private key in PEM format"
            ]
        );
        let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
        assert_eq!(
            of(broken, &key),
            ["client-certificate: tls options: the client's certificate cannot be read"]
        );
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(
            of(&chain, encrypted),
            [
                "client-key: client key: the text contains an encrypted private key; encrypted keys are not supported"
            ]
        );
    }

    /// The header of a PKCS #8 private key, which contains its type, followed by arbitrary data.
    fn key_of_kind(algorithm: &[u8], key: &[u8]) -> String {
        let der = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], &length[..], content].concat()
        };
        let whole = [der(2, &[0]), der(0x30, algorithm), der(4, key)].concat();
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der(0x30, &whole));
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    #[test]
    fn a_key_of_no_use_is_called_by_its_name() {
        let (chain, _) = identity();
        let of = |algorithm: &[u8], key: &[u8]| {
            wrong(&TlsOptions {
                client_identity: Some((pem(&chain), pem(&key_of_kind(algorithm, key)))),
                ..TlsOptions::default()
            })
        };
        const CURVE: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        let rsa = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let modulus = [&[2, 0x81, 128][..], &[0x75; 128]].concat();
        let modulus = [&[0x30, 0x81, 134, 2, 1, 0], &modulus[..]].concat();
        let k1 = [CURVE, &[6, 5, 0x2b, 0x81, 4, 0, 10]].concat();
        let unnamed = [CURVE, &[0x30, 0]].concat();
        let cases: [(&[u8], &[u8], &str); 6] = [
            (
                &rsa,
                &modulus,
                "(RSA 1023) is too weak: RSA keys need at least 2048 bits",
            ),
            (&k1, &[], "(EC secp256k1) is of an unsupported type"),
            (
                &unnamed,
                &[],
                "(EC on an unknown curve) is of an unsupported type",
            ),
            (
                &[6, 3, 0x2b, 0x65, 0x71],
                &[],
                "(Ed448) is of an unsupported type",
            ),
            (&[6, 3, 0x2a, 3, 4], &[], "(1.2.3.4) is of an unsupported type"),
            (&[6, 3, 0x2b, 0x65, 0x70], &[], "is damaged"),
        ];
        for (algorithm, key, said) in cases {
            let expected = format!("client-key: tls options: the private key {said}");
            assert_eq!(of(algorithm, key), [expected]);
        }
    }
}
