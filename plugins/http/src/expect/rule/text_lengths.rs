//! Texts that are longer than a value may be.

use canary_sdk::Problems;

use super::bounds::Length;
use super::{Extra, Rule};
use crate::text::quote;

impl<E: Extra> Rule<String, E> {
    /// Reports texts that a value must contain, or be, and that are longer than it may be: in characters, or in
    /// `max_size` bytes. A character takes at least one byte in every charset, so none is refused that may fit.
    pub(in crate::expect) fn check_lengths(&self, max_size: Option<u64>, problems: &mut Problems) {
        // What needs an empty body is checked by itself.
        let max_size = max_size.filter(|max| *max > 0).map(bounded);
        self.check_contained(max_size, problems);
        let Some(max) = max_size else {
            return;
        };
        if self.least() > max {
            problems.at("length", |problems| problems.report(DOES_NOT_FIT));
        }
        let is_too_long = |text: &String| characters(text) > max;
        if self.common.equals.as_ref().is_some_and(is_too_long) {
            problems.at("equals", |problems| problems.report(DOES_NOT_FIT));
        }
        if self
            .common
            .one_of
            .as_ref()
            .is_some_and(|all| all.iter().all(is_too_long))
        {
            problems.at("one_of", |problems| problems.report(DOES_NOT_FIT));
        }
    }

    /// Reports a `length` that is less than every value has.
    pub(in crate::expect) fn check_shortest(&self, shortest: usize, what: &str, problems: &mut Problems) {
        let (least, most) = self.common.length.as_ref().map_or(UNLIMITED, Length::range);
        if most < bounded(shortest) && least <= most {
            problems.at("length", |problems| {
                problems.report(format_args!("{what} has at least {shortest} characters"));
            });
        }
    }

    fn check_contained(&self, max_size: Option<f64>, problems: &mut Problems) {
        let (least, most) = self.common.length.as_ref().map_or(UNLIMITED, Length::range);
        problems.at("contains", |problems| {
            self.common.contains.check(problems, |text, problems| {
                let shown = quote(text.as_bytes());
                let characters = characters(text);
                // Limits that exclude each other are reported as such, and so is a length of 0.
                if characters > most && least <= most && most >= 1.0 {
                    problems.report(format_args!("{shown} is longer than `length` allows"));
                } else if max_size.is_some_and(|max| characters > max) {
                    problems.report(format_args!("{shown} {DOES_NOT_FIT}"));
                }
            });
        });
    }

    /// The minimum length in characters.
    fn least(&self) -> f64 {
        let (least, _) = self.common.length.as_ref().map_or(UNLIMITED, Length::range);
        least
    }
}

const DOES_NOT_FIT: &str = "does not fit into `max_size`";
/// The lengths that are allowed without a limit.
const UNLIMITED: (f64, f64) = (0.0, f64::INFINITY);

fn characters(text: &str) -> f64 {
    bounded(text.chars().count())
}

/// As a number to compare with a limit. No text of a suite has more than 32 bits of characters, and a larger limit is
/// none.
fn bounded(count: impl TryInto<u32>) -> f64 {
    count.try_into().map_or(f64::INFINITY, f64::from)
}
