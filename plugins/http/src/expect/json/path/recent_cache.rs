//! A small cache of results for long texts, so that a filter does not compute them again for each value.

use std::cell::RefCell;

/// Maximum number of cached texts.
const CAPACITY: usize = 8;

/// Results for the most recently used texts.
#[derive(Debug)]
pub(super) struct RecentCache<V>(RefCell<Vec<(TextId, V)>>);

/// Identifies a text by its address and not by its content: texts of a document and of a path do not move during
/// evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TextId {
    address: usize,
    length: usize,
}

impl<V> Default for RecentCache<V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<V: Copy> RecentCache<V> {
    /// The cached result for a text, or the one that `find_out` computes.
    ///
    /// # Errors
    /// The error of `find_out`.
    pub(super) fn get_or_compute<E>(
        &self,
        text: &str,
        compute: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let id = TextId {
            address: text.as_ptr().addr(),
            length: text.len(),
        };
        let mut all = self.0.borrow_mut();
        let known = all.iter().position(|(known, _)| *known == id);
        let value = match known {
            Some(at) => all.remove(at).1,
            None => compute()?,
        };
        // Moved to the front, so that a text which every value is compared with outlasts the values.
        all.truncate(CAPACITY - 1);
        all.insert(0, (id, value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_used_repeatedly_outlasts_all_others() {
        let cache = RecentCache::default();
        let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let mut found_out = 0;
        for text in &texts {
            for text in [&texts[0], text] {
                let length = cache.get_or_compute(text, || {
                    found_out += 1;
                    Ok::<_, ()>(text.len())
                });
                assert_eq!(length, Ok(text.len()));
            }
        }
        assert_eq!(found_out, texts.len());
    }

    #[test]
    fn what_could_not_be_computed_is_not_cached() {
        let cache = RecentCache::default();
        assert_eq!(cache.get_or_compute("a", || Err(1)), Err(1));
        assert_eq!(cache.get_or_compute("a", || Ok::<_, ()>(2)), Ok(2));
    }
}
