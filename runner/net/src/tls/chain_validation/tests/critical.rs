//! Critical extensions in each position of a chain: the verdict of openssl 3.0.19 (`verify -purpose sslserver`), and
//! Canary's.

use canary_tests::certificate::openssl_verifies;

use super::*;

/// An extension, and whether openssl accepts it in the leaf, the intermediate certificate and the root.
struct Extension {
    id: &'static [u64],
    content: &'static [u8],
    openssl: [bool; 3],
    /// Canary rejects it, as documented for the plugin `tls`.
    is_refused: bool,
}

const fn taken(id: &'static [u64], content: &'static [u8]) -> Extension {
    Extension {
        id,
        content,
        openssl: [true; 3],
        is_refused: false,
    }
}

const fn refused(id: &'static [u64], content: &'static [u8]) -> Extension {
    Extension {
        id,
        content,
        openssl: [false; 3],
        is_refused: true,
    }
}

const EXTENSIONS: [Extension; 26] = [
    // Certificate policies, policy mappings, policy constraints, inhibit anyPolicy.
    taken(&[2, 5, 29, 32], &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0]),
    taken(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3]),
    taken(&[2, 5, 29, 32], b"not DER"),
    taken(
        &[2, 5, 29, 33],
        &[0x30, 10, 0x30, 8, 6, 2, 0x2a, 3, 6, 2, 0x2a, 4],
    ),
    taken(&[2, 5, 29, 36], &[0x30, 3, 0x80, 1, 0]),
    taken(&[2, 5, 29, 36], &[0x30, 6, 0x80, 1, 0, 0x81, 1, 0]),
    taken(&[2, 5, 29, 54], &[2, 1, 0]),
    // OCSP no check.
    taken(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], &[5, 0]),
    // CRL distribution points.
    taken(
        &[2, 5, 29, 31],
        &[
            0x30, 13, 0x30, 11, 0xa0, 9, 0xa0, 7, 0x86, 5, b'u', b'r', b'i', b':', b'x',
        ],
    ),
    // Netscape certificate type: server and authority, and client only.
    taken(&[2, 16, 840, 1, 113730, 1, 1], &[3, 2, 2, 0x44]),
    Extension {
        id: &[2, 16, 840, 1, 113730, 1, 1],
        content: &[3, 2, 7, 0x80],
        openssl: [false, true, true],
        is_refused: false,
    },
    Extension {
        id: &[2, 16, 840, 1, 113730, 1, 1],
        content: b"not DER",
        openssl: [false; 3],
        is_refused: false,
    },
    // Not supported by openssl either.
    refused(&[1, 2, 3, 4], &[5, 0]),
    refused(&[2, 5, 29, 9], &[0x30, 0]),
    refused(&[2, 5, 29, 16], &[0x30, 0]),
    refused(&[2, 5, 29, 18], &[0x30, 5, 0x82, 3, b'a', b'.', b'b']),
    refused(
        &[2, 5, 29, 46],
        &[
            0x30, 13, 0x30, 11, 0xa0, 9, 0xa0, 7, 0x86, 5, b'u', b'r', b'i', b':', b'x',
        ],
    ),
    refused(&[1, 3, 6, 1, 5, 5, 7, 1, 1], &[0x30, 0]),
    refused(&[1, 3, 6, 1, 5, 5, 7, 1, 11], &[0x30, 0]),
    refused(&[1, 3, 6, 1, 5, 5, 7, 1, 24], &[0x30, 0]),
    refused(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3], &[5, 0]),
    refused(&[2, 16, 840, 1, 113730, 1, 13], &[0x16, 1, b'x']),
    // Proxy certificates, which openssl supports but does not permit.
    refused(
        &[1, 3, 6, 1, 5, 5, 7, 1, 14],
        &[0x30, 12, 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 0x15, 1],
    ),
    // IP addresses and AS numbers (RFC 3779): openssl requires the leaf's to be within its issuers'; here there are no
    // such resources.
    Extension {
        id: &[1, 3, 6, 1, 5, 5, 7, 1, 7],
        content: &[0x30, 8, 0x30, 6, 4, 2, 0, 1, 5, 0],
        openssl: [true; 3],
        is_refused: true,
    },
    Extension {
        id: &[1, 3, 6, 1, 5, 5, 7, 1, 8],
        content: &[0x30, 4, 0xa0, 2, 5, 0],
        openssl: [true; 3],
        is_refused: true,
    },
    // Name constraints, which have no effect in a leaf.
    taken(
        &[2, 5, 29, 30],
        &[
            0x30, 14, 0xa0, 12, 0x30, 10, 0x82, 8, b'w', b'e', b'b', b'.', b't', b'e', b's', b't',
        ],
    ),
];

const PLACES: [&str; 3] = ["leaf", "intermediate", "root"];

impl Extension {
    fn add_at(&self, wanted: usize, place: usize, params: &mut rcgen::CertificateParams) {
        if wanted == place {
            let mut extension = CustomExtension::from_oid_content(self.id, self.content.to_vec());
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        }
    }

    /// The leaf, the intermediate certificate and the root.
    fn chain(&self, place: usize) -> (Vec<Der>, Der) {
        let root = Authority::new_with("Root", |params| self.add_at(place, 2, params));
        let middle = root.intermediate_with("Middle", |params| self.add_at(place, 1, params));
        let leaf = middle.leaf(&NAMES).with(|params| self.add_at(place, 0, params));
        (leaf.issue().chain(), root.der().clone())
    }
}

#[test]
fn critical_extensions_are_validated_like_openssl_or_more_strictly() {
    for extension in &EXTENSIONS {
        for (place, name) in PLACES.iter().enumerate() {
            let shown = format!("{:?} in the {name}", extension.id);
            let (chain, root) = extension.chain(place);
            let of_openssl = extension.openssl[place];
            if let Some(judged) = openssl_verifies(&chain, &root, NAMES[0]) {
                assert_eq!(judged, of_openssl, "openssl on {shown}");
            }
            let said = reasons(&chain, &[&root]);
            let is_taken = of_openssl && !extension.is_refused;
            assert_eq!(said.is_empty(), is_taken, "{shown}: {said}");
            let is_named = said.contains("has a critical extension that is not understood: ");
            assert_eq!(is_named, extension.is_refused, "{shown}: {said}");
        }
    }
}
