//! A collector of the problems of a configuration.

use std::fmt;

use crate::error::Error;
use crate::problem::{Pointer, Problem};

/// What the host would refuse as [`ErrorCode::Invalid`](crate::ErrorCode::Invalid), found without sending anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The invalid field, by its name in the contract, such as `ca-certificates` or `headers[2]`.
    pub field: String,
    /// Why it is invalid.
    pub message: String,
}

/// Collects the problems of a configuration while it is walked through.
///
/// ```
/// use canary_sdk::Problems;
///
/// let mut problems = Problems::default();
/// problems.at("expect", |problems| {
///     for (index, pattern) in ["a", "("].iter().enumerate() {
///         problems.at_index(index, |problems| {
///             if pattern.contains('(') {
///                 problems.report("a group that nothing closes");
///             }
///         });
///     }
/// });
/// assert_eq!(problems.into_vec()[0].pointer(), "/config/expect/1");
/// ```
#[derive(Debug, Default)]
pub struct Problems {
    here: Pointer,
    found: Vec<Problem>,
}

impl Problems {
    /// Enters the value under a key.
    pub fn at<T>(&mut self, key: &str, visit: impl FnOnce(&mut Self) -> T) -> T {
        self.within(self.here.key(key), visit)
    }

    /// Enters the element at an index, which counts from 0.
    pub fn at_index<T>(&mut self, index: usize, visit: impl FnOnce(&mut Self) -> T) -> T {
        self.within(self.here.index(index), visit)
    }

    fn within<T>(&mut self, location: Pointer, visit: impl FnOnce(&mut Self) -> T) -> T {
        let above = std::mem::replace(&mut self.here, location);
        let result = visit(self);
        self.here = above;
        result
    }

    /// Reports a problem at the current location.
    pub fn report(&mut self, message: impl fmt::Display) {
        self.found.push(Problem::config(&self.here, message));
    }

    /// Reports a problem at the current location, and what to do about it.
    pub fn report_with(&mut self, message: impl fmt::Display, hint: impl fmt::Display) {
        self.found.push(Problem::config(&self.here, message).hint(hint));
    }

    /// The problems, in the order in which they were reported.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.found
    }

    /// For a run, which cannot continue with a configuration that has problems.
    ///
    /// # Errors
    /// [`Error::Plugin`] with the first of them.
    pub fn into_result(self) -> Result<(), Error> {
        self.found
            .first()
            .map_or(Ok(()), |first| Err(Error::plugin(first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_pointer_whatever_its_keys_are() {
        let mut problems = Problems::default();
        problems.report("all of it");
        problems.at("json", |problems| {
            problems.at("$.a/~b", |problems| {
                problems.at_index(3, |problems| problems.report("this"));
            });
            problems.report_with("the map", "leave it out");
        });
        let found = problems.into_vec();
        let pointers: Vec<_> = found.iter().map(Problem::pointer).collect();
        assert_eq!(pointers, ["/config", "/config/json/$.a~1~0b/3", "/config/json"]);
        assert_eq!(found[2].advice(), Some("leave it out"));
    }

    #[test]
    fn a_run_ends_with_the_first_problem() {
        assert_eq!(Problems::default().into_result(), Ok(()));
        let mut problems = Problems::default();
        problems.at("a", |problems| problems.report("first"));
        problems.report("second");
        assert_eq!(
            problems.into_result(),
            Err(Error::Plugin("/config/a: first".into()))
        );
    }
}
