//! Substring search within the effort budget.

use std::cell::OnceCell;

use memchr::memchr_iter;
use memchr::memmem::Finder;

use crate::effort::{Effort, TooCostly};

/// Bytes after which the cost is checked.
const SLICE: usize = 64 << 10;
/// Effort units to prepare a search, besides the bytes of the needle.
const PER_SEARCH: usize = 100;
/// Effort units per byte of the needle.
const PER_BYTE_OF_NEEDLE: usize = 8;
/// Effort units per searched byte, at worst.
const PER_BYTE: usize = 4;
/// Bytes per effort unit if only the positions of one byte are searched.
const BYTES_PER_UNIT: usize = 6;
/// Effort units to check one candidate position.
const PER_CANDIDATE: usize = 10;
/// Effort units to compare at a likely position, besides its bytes.
const PER_LIKELY: usize = 20;
/// Effort units to count one byte.
const PER_COUNTED_BYTE: usize = 2;

/// A text in which others are searched.
#[derive(Debug)]
pub(super) struct Haystack<'t> {
    text: &'t [u8],
    /// How often each byte occurs.
    counts: OnceCell<Vec<usize>>,
}

impl<'t> Haystack<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            counts: OnceCell::new(),
        }
    }

    /// Whether it contains a text.
    ///
    /// # Errors
    /// The search costs too much effort.
    pub(super) fn contains(&self, needle: &str, effort: &Effort) -> Result<bool, TooCostly> {
        if needle.is_empty() || needle.len() > self.text.len() {
            return Ok(needle.is_empty());
        }
        effort.charge(PER_SEARCH + needle.len() * PER_BYTE_OF_NEEDLE)?;
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
        self.slices(bytes.len(), |slice| {
            if is_rare {
                Ok(needle.is_at_rare_bytes(slice, usize::MAX, effort)? == Some(true))
            } else {
                needle.is_in(slice, effort)
            }
        })
    }

    fn counts(&self, effort: &Effort) -> Result<&[usize], TooCostly> {
        if self.counts.get().is_none() {
            effort.charge(self.text.len() * PER_COUNTED_BYTE)?;
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

    /// Whether the needle is in one of the slices. A match across the end of a slice begins within it, so slices
    /// overlap: by a quarter at most.
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

/// Whether a text contains another one.
///
/// # Errors
/// The search costs too much effort.
pub(super) fn contains(text: &[u8], needle: &str, effort: &Effort) -> Result<bool, TooCostly> {
    Haystack::of(text).contains(needle, effort)
}

/// The text to search for.
struct Needle<'n> {
    bytes: &'n [u8],
    /// Position and value of its rarest byte.
    rare: (usize, u8),
    /// Position and value of its second rarest byte.
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
        effort.charge(text.len() * PER_BYTE)?;
        Ok(self.finder.find(text).is_some())
    }

    /// Fast search if one of its bytes is rare; `None` if that byte occurs more often than `most`.
    fn is_at_rare_bytes(&self, text: &[u8], most: usize, effort: &Effort) -> Result<Option<bool>, TooCostly> {
        effort.charge(text.len() / BYTES_PER_UNIT)?;
        for (count, found) in memchr_iter(self.rare.1, text).enumerate() {
            if count == most {
                return Ok(None);
            }
            effort.charge(PER_CANDIDATE)?;
            let start = found.checked_sub(self.rare.0);
            let Some(there) = start.and_then(|start| text.get(start..start + self.bytes.len())) else {
                continue;
            };
            if there.get(self.second.0) != Some(&self.second.1) {
                continue;
            }
            effort.charge(PER_LIKELY + self.bytes.len() / 4)?;
            if there == self.bytes {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }
}

/// Approximate frequency of a byte in texts: for a short text counting does not pay.
fn frequency(byte: u8) -> u8 {
    match byte {
        b' ' | b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' | b'"' => 3,
        b'a'..=b'z' | b'/' | b'<' | b'>' | b'=' | b'\n' => 2,
        b'0'..=b'9' | b'.' | b',' | b':' | b'-' | b'{' | b'}' => 1,
        _ => 0,
    }
}

/// Whether two texts are equal.
///
/// # Errors
/// The comparison costs too much effort.
pub(super) fn is(text: &[u8], expected: &str, effort: &Effort) -> Result<bool, TooCostly> {
    if text.len() != expected.len() {
        return Ok(false);
    }
    effort.charge(text.len())?;
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

    /// A page and texts each of which has one letter that is rare in most texts, but not in this one.
    #[test]
    fn many_texts_are_affordable_whatever_bytes_the_body_has_most_of() {
        let line = "QXZ|~^ The quick brown fox jumps over the lazy dog 0123456789 #@%$&*! {}[]() ä–東\n";
        // A quarter of the largest body, and of the time.
        let body = line.repeat((2 << 20) / line.len());
        let haystack = Haystack::of(body.as_bytes());
        let effort = Effort::with_units(100_000_000);
        for (number, letter) in "QXZ|~^#@%$&*!{}[]()".chars().cycle().take(60).enumerate() {
            let text = format!("error{letter}{number}");
            assert_eq!(haystack.contains(&text, &effort), Ok(false), "{text}");
        }
    }

    #[test]
    fn a_search_that_costs_too_much_is_given_up() {
        let effort = Effort::with_units(1_000_000);
        assert_eq!(contains(&b"ab".repeat(4 << 20), "bb", &effort), Err(TooCostly));
        assert_eq!(
            contains(b"b", "b", &effort),
            Err(TooCostly),
            "nothing is left for others"
        );
    }
}
