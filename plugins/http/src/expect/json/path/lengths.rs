//! Cached lengths of texts in a filter: a long text is counted once, and not for each value that it is compared with.

use super::recent_cache::RecentCache;
use crate::effort::{Effort, TooCostly};
use crate::expect::json::document::Characters;

/// Effort units to look up a cached length.
const PER_TEXT: usize = 100;
/// Maximum effort units to count a short text.
const SHORT: usize = 100;

/// Recently counted lengths.
#[derive(Debug, Default)]
pub(super) struct Lengths(RecentCache<usize>);

impl Lengths {
    /// The number of characters of a text.
    ///
    /// # Errors
    /// Counting costs too much effort.
    pub(super) fn of(&self, text: Characters<'_>, effort: &Effort) -> Result<usize, TooCostly> {
        let count = || {
            effort.charge(text.cost())?;
            Ok(text.count())
        };
        if text.cost() <= SHORT {
            return count();
        }
        effort.charge(PER_TEXT)?;
        self.0.get_or_compute(text.written(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_counted_once() {
        let text = "é".repeat(50_000);
        let (lengths, effort) = (Lengths::default(), Effort::with_units(120_000));
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
