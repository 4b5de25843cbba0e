//! Texts in texts, by no more effort than there is.

use std::cell::OnceCell;

use memchr::memchr_iter;
use memchr::memmem::Finder;

use crate::effort::{Effort, TooCostly};

/// Bytes after which the cost is looked at.
const SLICE: usize = 64 << 10;
/// Units to prepare a search, besides the bytes of what is looked for.
const PER_SEARCH: usize = 100;
/// Units for one byte of what is looked for.
const PER_BYTE_OF_NEEDLE: usize = 8;
/// Units for one byte that is looked through, at worst.
const PER_BYTE: usize = 4;
/// Bytes that are looked through for one unit, where only the places of one byte are looked for.
const BYTES_PER_UNIT: usize = 6;
/// Units to look at one place where it could be.
const PER_CANDIDATE: usize = 10;
/// Units to look at one where it is likely, besides its bytes.
const PER_LIKELY: usize = 20;
/// Units to count one byte.
const PER_COUNTED_BYTE: usize = 2;

/// A text that others are looked for in.
#[derive(Debug)]
pub(super) struct Haystack<'t> {
    text: &'t [u8],
    /// How often each byte is in it.
    counts: OnceCell<Vec<usize>>,
}

impl<'t> Haystack<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            counts: OnceCell::new(),
        }
    }

    /// Whether a text is in it.
    ///
    /// # Errors
    /// To look for it costs too much.
    pub(super) fn contains(&self, needle: &str, effort: &Effort) -> Result<bool, TooCostly> {
        if needle.is_empty() || needle.len() > self.text.len() {
            return Ok(needle.is_empty());
        }
        effort.take(PER_SEARCH + needle.len() * PER_BYTE_OF_NEEDLE)?;
        let bytes = needle.as_bytes();
        if self.text.len() < SLICE {
            let needle = Needle::of(bytes, |byte| frequency(byte).into());
            let most = self.text.len() / (32 + bytes.len()) + 1;
            return match needle.is_at_rare_bytes(self.text, most, effort)? {
                Some(is_there) => Ok(is_there),
                None => needle.is_in(self.text, effort),
            };
        }
        let counts = self.counts(effort)?;
        let count = |byte: u8| counts.get(usize::from(byte)).copied().unwrap_or_default();
        let needle = Needle::of(bytes, count);
        let candidates = count(needle.rare.1);
        if candidates == 0 {
            return Ok(false);
        }
        let is_rare = candidates * (PER_CANDIDATE + PER_LIKELY) < self.text.len() * PER_BYTE;
        self.slices(bytes.len(), |slice| match is_rare {
            true => Ok(needle.is_at_rare_bytes(slice, usize::MAX, effort)? == Some(true)),
            false => needle.is_in(slice, effort),
        })
    }

    fn counts(&self, effort: &Effort) -> Result<&[usize], TooCostly> {
        if self.counts.get().is_none() {
            effort.take(self.text.len() * PER_COUNTED_BYTE)?;
        }
        Ok(self.counts.get_or_init(|| {
            let mut counts = vec![0; 256];
            for byte in self.text {
                if let Some(count) = counts.get_mut(usize::from(*byte)) {
                    *count += 1;
                }
            }
            counts
        }))
    }

    /// Whether it is in one of the slices. One that lies across the end of a slice begins within it, so slices overlap: by a
    /// quarter at most.
    fn slices(
        &self,
        length: usize,
        is_in: impl Fn(&[u8]) -> Result<bool, TooCostly>,
    ) -> Result<bool, TooCostly> {
        let step = SLICE.max(length.saturating_mul(4));
        let mut start = 0;
        while let Some(rest) = self.text.get(start..) {
            let slice = rest.get(..step + length).unwrap_or(rest);
            if is_in(slice)? {
                return Ok(true);
            }
            if slice.len() == rest.len() {
                break;
            }
            start += step;
        }
        Ok(false)
    }
}

/// Whether a text is in another one.
///
/// # Errors
/// To look for it costs too much.
pub(super) fn contains(text: &[u8], needle: &str, effort: &Effort) -> Result<bool, TooCostly> {
    Haystack::of(text).contains(needle, effort)
}

/// What is looked for.
struct Needle<'n> {
    bytes: &'n [u8],
    /// Where its rarest byte is, and which one it is.
    rare: (usize, u8),
    /// The next one.
    second: (usize, u8),
    finder: Finder<'n>,
}

impl<'n> Needle<'n> {
    fn of(bytes: &'n [u8], count: impl Fn(u8) -> usize) -> Self {
        let places = || bytes.iter().copied().enumerate();
        let rare = places().min_by_key(|(_, byte)| count(*byte)).unwrap_or_default();
        let others = places().filter(|(place, _)| *place != rare.0);
        Self {
            bytes,
            rare,
            second: others.min_by_key(|(_, byte)| count(*byte)).unwrap_or(rare),
            finder: Finder::new(bytes),
        }
    }

    fn is_in(&self, text: &[u8], effort: &Effort) -> Result<bool, TooCostly> {
        effort.take(text.len() * PER_BYTE)?;
        Ok(self.finder.find(text).is_some())
    }

    /// The fast way where a byte of it is rare; nothing where it is there more often than `most`.
    fn is_at_rare_bytes(&self, text: &[u8], most: usize, effort: &Effort) -> Result<Option<bool>, TooCostly> {
        effort.take(text.len() / BYTES_PER_UNIT)?;
        for (count, found) in memchr_iter(self.rare.1, text).enumerate() {
            if count == most {
                return Ok(None);
            }
            effort.take(PER_CANDIDATE)?;
            let start = found.checked_sub(self.rare.0);
            let Some(there) = start.and_then(|start| text.get(start..start + self.bytes.len())) else {
                continue;
            };
            if there.get(self.second.0) != Some(&self.second.1) {
                continue;
            }
            effort.take(PER_LIKELY + self.bytes.len() / 4)?;
            if there == self.bytes {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }
}

/// How frequent a byte is in texts, roughly: of a short one it does not pay to count.
fn frequency(byte: u8) -> u8 {
    match byte {
        b' ' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' | b'"' => 3,
        b'a'..=b'z' | b'/' | b'<' | b'>' | b'=' | b'\n' => 2,
        b'0'..=b'9' | b'.' | b',' | b':' | b'-' | b'{' | b'}' => 1,
        _ => 0,
    }
}

/// Whether a text is another one.
///
/// # Errors
/// To compare them costs too much.
pub(super) fn is(text: &[u8], expected: &str, effort: &Effort) -> Result<bool, TooCostly> {
    if text.len() != expected.len() {
        return Ok(false);
    }
    effort.take(text.len())?;
    Ok(text == expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_it_is() {
        let length = 3 * SLICE;
        for needle in ["b", "ab", &format!("{}b", "a".repeat(SLICE + 3))] {
            for end in
                [needle.len(), SLICE, SLICE + 1, 2 * SLICE - 1, length].map(|end| end.max(needle.len()))
            {
                let mut text = vec![b'a'; length];
                assert_eq!(contains(&text, needle, &Effort::default()), Ok(false));
                text[end - 1] = b'b';
                assert_eq!(contains(&text, needle, &Effort::default()), Ok(true), "{end}");
            }
        }
        assert_eq!(contains(b"", "", &Effort::default()), Ok(true));
        assert_eq!(contains(b"a", "ab", &Effort::default()), Ok(false));
    }

    #[test]
    fn a_thousand_texts_are_affordable_in_a_large_body() {
        let body = vec![b'a'; 1 << 20];
        let effort = Effort::default();
        let body = Haystack::of(&body);
        let found = (0..1_000).map(|number| body.contains(&format!("{number:04}"), &effort));
        assert!(found.into_iter().all(|found| found == Ok(false)));
    }

    /// Such as page and texts of which each has one letter that is rare in most texts, and not in this one.
    #[test]
    fn many_texts_are_affordable_whatever_bytes_the_body_has_most_of() {
        let line = "QXZ|~^ The quick brown fox jumps over the lazy dog 0123456789 #@%$&*! {}[]() ä–東\n";
        // A quarter of the largest body, and of the time.
        let body = line.repeat((2 << 20) / line.len());
        let haystack = Haystack::of(body.as_bytes());
        let effort = Effort::of(100_000_000);
        for (number, letter) in "QXZ|~^#@%$&*!{}[]()".chars().cycle().take(60).enumerate() {
            let text = format!("error{letter}{number}");
            assert_eq!(haystack.contains(&text, &effort), Ok(false), "{text}");
        }
    }

    #[test]
    fn a_search_that_costs_too_much_is_given_up() {
        let effort = Effort::of(1_000_000);
        assert_eq!(contains(&b"ab".repeat(4 << 20), "bb", &effort), Err(TooCostly));
        assert_eq!(
            contains(b"b", "b", &effort),
            Err(TooCostly),
            "nothing is left for others"
        );
    }
}
