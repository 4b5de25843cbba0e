//! A file of the cache: a mark, a digest, and what the digest is of.

use sha2::{Digest as _, Sha256};

/// What each file begins with. Another layout gets another number.
pub(super) const MARK: [u8; 16] = *b"canary-plugin-1\n";
/// Bytes of a SHA-256.
const DIGEST: usize = 32;
/// Bytes in front of the content.
pub(super) const HEADER: u64 = 48;

/// What stands in front of `content` in the file of this name.
pub(super) fn header(name: &[u8], content: &[u8]) -> Vec<u8> {
    [MARK.as_slice(), &digest(name, content)].concat()
}

/// The content of the file of this name; nothing unless its digest is that in front of it.
pub(super) fn verified(name: &[u8], mut file: Vec<u8>) -> Option<Vec<u8>> {
    let (mark, rest) = file.split_first_chunk()?;
    let (wanted, content) = rest.split_first_chunk::<DIGEST>()?;
    if *mark != MARK || *wanted != digest(name, content) {
        return None;
    }
    file.drain(..MARK.len() + DIGEST);
    Some(file)
}

/// Of the name as well: a file that was copied over another is not what was written under that name.
fn digest(name: &[u8], content: &[u8]) -> [u8; DIGEST] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([0]);
    hasher.update(content);
    hasher.finalize().into()
}
