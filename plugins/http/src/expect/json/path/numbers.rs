//! Numbers of a document that a filter compares: a long one is read once, and not for each value that it is compared with.

use super::remembered::Remembered;
use crate::effort::{Effort, TooCostly};
use crate::expect::decimal::{Decimal, PER_DIGIT};

/// Units to read a short number.
const PER_SHORT: usize = 100;
/// Bytes that a short number has at most.
const SHORT: usize = 32;

/// Those that were read last.
#[derive(Debug, Default)]
pub(super) struct Numbers<'d>(Remembered<Option<Decimal<'d>>>);

impl<'d> Numbers<'d> {
    /// Reads a number as it is written.
    ///
    /// # Errors
    /// To read it costs too much.
    pub(super) fn read(&self, written: &'d str, effort: &Effort) -> Result<Option<Decimal<'d>>, TooCostly> {
        effort.take(PER_SHORT)?;
        if written.len() <= SHORT {
            return Ok(Decimal::parse(written));
        }
        self.0.of(written, || {
            effort.take(written.len() * PER_DIGIT)?;
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
        let effort = Effort::of(400_000);
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
