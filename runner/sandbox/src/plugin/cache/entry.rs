//! The format of a cache file: magic bytes, a digest, and the content.

use sha2::{Digest as _, Sha256};

/// The first bytes of each file. A new layout gets a new number.
pub(super) const MAGIC: [u8; 16] = *b"canary-plugin-1\n";
/// Bytes of a SHA-256 digest.
const DIGEST: usize = 32;
/// Bytes in front of the content.
pub(super) const HEADER: u64 = 48;

/// The header of the file with this name and content.
pub(super) fn header(name: &[u8], content: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &digest(name, content)].concat()
}

/// The content of the file with this name; `None` unless its digest matches.
pub(super) fn verified(name: &[u8], mut file: Vec<u8>) -> Option<Vec<u8>> {
    let (magic, rest) = file.split_first_chunk()?;
    let (wanted, content) = rest.split_first_chunk::<DIGEST>()?;
    if *magic != MAGIC || *wanted != digest(name, content) {
        return None;
    }
    file.drain(..MAGIC.len() + DIGEST);
    Some(file)
}

/// Covers the name as well: a file that was copied over another does not match.
fn digest(name: &[u8], content: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([0]);
    hasher.update(content);
    hasher.finalize().into()
}
