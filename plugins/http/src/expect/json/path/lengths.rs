//! Lengths of texts in a filter: those of a long one are counted once, and not for each value that they are compared with.

use super::remembered::Remembered;
use crate::effort::{Effort, TooCostly};
use crate::expect::json::document::Characters;

/// Units to look whether a length is known.
const PER_TEXT: usize = 100;
/// Units of effort that it takes at most to count a short text.
const SHORT: usize = 100;

/// Those that were counted last.
#[derive(Debug, Default)]
pub(super) struct Lengths(Remembered<usize>);

impl Lengths {
    /// The characters of a text.
    ///
    /// # Errors
    /// To count them costs too much.
    pub(super) fn of(&self, text: Characters<'_>, effort: &Effort) -> Result<usize, TooCostly> {
        let count = || {
            effort.take(text.cost())?;
            Ok(text.count())
        };
        if text.cost() <= SHORT {
            return count();
        }
        effort.take(PER_TEXT)?;
        self.0.of(text.written(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_counted_once() {
        let text = "é".repeat(50_000);
        let (lengths, effort) = (Lengths::default(), Effort::of(120_000));
        for _ in 0..100 {
            let length = lengths.of(Characters::plain_text(&text), &effort);
            assert_eq!(length, Ok(50_000));
        }
        let other = text.clone();
        assert_eq!(
            lengths.of(Characters::plain_text(&other), &effort),
            Err(TooCostly)
        );
    }
}
