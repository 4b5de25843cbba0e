//! A buffer of received bytes that have not been read yet.

use bytes::BytesMut;
use memchr::memmem;

use crate::bounded::Delimiter;

/// A buffer of received bytes that have not been read yet. Reading costs time proportional to the bytes read, and no
/// byte is searched twice for the same delimiter.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    bytes: BytesMut,
    /// The delimiter of the last unsuccessful search.
    missed: Option<Delimiter>,
    /// Number of leading bytes in which it does not begin.
    searched: usize,
}

impl ReadBuffer {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Removes and returns the first bytes, at most `max`.
    pub(super) fn take(&mut self, max: usize) -> Vec<u8> {
        self.missed = None;
        self.bytes.split_to(max.min(self.bytes.len())).to_vec()
    }

    /// The index just after the first `delimiter`.
    pub(super) fn find(&mut self, delimiter: &Delimiter) -> Option<usize> {
        let from = match &self.missed {
            Some(missed) if missed == delimiter => self.searched,
            _ => 0,
        };
        let length = delimiter.as_bytes().len();
        let found = memmem::find(self.bytes.get(from..)?, delimiter.as_bytes());
        if found.is_none() {
            // The beginning of the delimiter may have been received already.
            self.searched = (self.bytes.len() + 1).saturating_sub(length).max(from);
            self.missed = Some(delimiter.clone());
        }
        Some(from + found? + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &[u8]) -> ReadBuffer {
        let mut received = ReadBuffer::default();
        received.extend(bytes);
        received
    }

    fn delimiter(bytes: &[u8]) -> Delimiter {
        Delimiter::new(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_delimiter_is_found_wherever_the_pieces_were_cut() {
        let whole = b"aaab-aab-ab";
        for cut in 0..whole.len() {
            let (first, second) = whole.split_at(cut);
            let mut received = received(first);
            let early = received.find(&delimiter(b"aab-ab"));
            received.extend(second);
            let late = received.find(&delimiter(b"aab-ab"));
            assert_eq!((early, late), (None, Some(11)), "cut at {cut}");
        }
    }

    #[test]
    fn what_was_searched_in_vain_is_not_searched_again() {
        let mut received = received(&[b'a'; 1_000]);
        assert_eq!(received.find(&delimiter(b"aab")), None);
        assert_eq!(received.searched, 998);
        received.extend(b"b");
        assert_eq!(received.find(&delimiter(b"aab")), Some(1_001));
    }

    #[test]
    fn another_delimiter_and_bytes_that_were_handed_out_begin_the_search_anew() {
        let mut received = received(b"one\r\ntwo;three");
        assert_eq!(received.find(&delimiter(b"\0")), None);
        assert_eq!(received.find(&delimiter(b";")), Some(9));
        assert_eq!(received.find(&delimiter(b"\0")), None);
        assert_eq!(received.take(5), b"one\r\n");
        received.extend(b"\0");
        assert_eq!(received.find(&delimiter(b"\0")), Some(10));
        assert_eq!(received.take(usize::MAX), b"two;three\0");
        assert!(received.is_empty());
    }
}
