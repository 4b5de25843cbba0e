//! What was found out about long texts, so that a filter does not find it out again for each value.

use std::cell::RefCell;

/// Texts that are remembered.
const REMEMBERED: usize = 8;

/// What is known of the texts that were looked at last.
#[derive(Debug)]
pub(super) struct Remembered<V>(RefCell<Vec<(Place, V)>>);

/// Where a text is, and not what is in it: those of a document and of a path stay where they are while it is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    address: usize,
    length: usize,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<V: Copy> Remembered<V> {
    /// What is known of a text, or what is found out now.
    ///
    /// # Errors
    /// That of `find_out`.
    pub(super) fn of<E>(&self, text: &str, find_out: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        let place = Place {
            address: text.as_ptr().addr(),
            length: text.len(),
        };
        let mut all = self.0.borrow_mut();
        let known = all.iter().position(|(known, _)| *known == place);
        let value = match known {
            Some(at) => all.remove(at).1,
            None => find_out()?,
        };
        // In front, so that what each value is compared with outlasts the values.
        all.truncate(REMEMBERED - 1);
        all.insert(0, (place, value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_looked_at_again_and_again_outlasts_all_others() {
        let remembered = Remembered::default();
        let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let mut found_out = 0;
        for text in &texts {
            for text in [&texts[0], text] {
                let length = remembered.of(text, || {
                    found_out += 1;
                    Ok::<_, ()>(text.len())
                });
                assert_eq!(length, Ok(text.len()));
            }
        }
        assert_eq!(found_out, texts.len());
    }

    #[test]
    fn what_could_not_be_found_out_is_not_remembered() {
        let remembered = Remembered::default();
        assert_eq!(remembered.of("a", || Err(1)), Err(1));
        assert_eq!(remembered.of("a", || Ok::<_, ()>(2)), Ok(2));
    }
}
