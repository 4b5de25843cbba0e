//! The hash algorithms of digest authentication, and the hashes of RFC 7616, section 3.4.

use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};

/// A hash function. Orders from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

/// An algorithm of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub(super) hash: Hash,
    /// The key is derived from the first nonces of a session.
    pub(super) is_session: bool,
}

impl Algorithm {
    /// What a challenge without an algorithm means.
    pub(super) const DEFAULT: Self = Self {
        hash: Hash::Md5,
        is_session: false,
    };

    /// The algorithm with this name, in any case.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let name = str::from_utf8(name).ok()?.to_ascii_uppercase();
        let (name, is_session) = match name.strip_suffix("-SESS") {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let hash = match name {
            "MD5" => Hash::Md5,
            "SHA-256" => Hash::Sha256,
            "SHA-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Self { hash, is_session })
    }

    /// The name, as a request has it.
    pub(super) fn as_str(self) -> &'static str {
        match (self.hash, self.is_session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512_256, false) => "SHA-512-256",
            (Hash::Sha512_256, true) => "SHA-512-256-sess",
        }
    }
}

impl Hash {
    /// The hash of the parts, with colons between them, in lower-case hexadecimal.
    pub(super) fn of(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha512_256 => digest::<Sha512_256>(parts),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> String {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
