//! Cached numbers of a document in a filter: a long number is parsed once, and not for each value that it is compared
//! with.

use super::recent_cache::RecentCache;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::{Decimal, PER_DIGIT};

/// Effort units to parse a short number.
const PER_SHORT: usize = 100;
/// Maximum bytes of a short number.
const SHORT: usize = 32;

/// Recently parsed numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers<'d>(RecentCache<Option<Decimal<'d>>>);

impl<'d> Numbers<'d> {
    /// Parses a number.
    ///
    /// # Errors
    /// Parsing costs too much effort.
    pub(super) fn read(&self, written: &'d str, effort: &Effort) -> Result<Option<Decimal<'d>>, TooCostly> {
        effort.charge(PER_SHORT)?;
        if written.len() <= SHORT {
            return Ok(Decimal::parse(written));
        }
        self.0.get_or_compute(written, || {
            effort.charge(written.len() * PER_DIGIT)?;
            Ok(Decimal::parse(written))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_number_is_paid_for_once() {
        let digits = "9".repeat(100_000);
        let numbers = Numbers::default();
        let effort = Effort::with_units(400_000);
        for _ in 0..100 {
            assert!(numbers.read(&digits, &effort).unwrap().is_some());
        }
        let others: Vec<String> = (0..10).map(|number| format!("{number}{digits}")).collect();
        let read = others
            .iter()
            .try_for_each(|other| numbers.read(other, &effort).map(drop));
        assert_eq!(read, Err(TooCostly));
    }
}
