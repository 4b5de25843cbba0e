//! What is in force after a reload, in words.

use std::collections::BTreeSet;
use std::fmt;

use crate::suite::CheckId;

/// Checks that are named.
const NAMED: usize = 20;

/// The checks of the new suite, and those that it no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// How many checks are in force.
    pub checks: usize,
    /// How many of those before are not.
    pub removed: usize,
    /// The first of these, by name.
    named: Vec<CheckId>,
}

impl Reloaded {
    pub(super) fn new(before: &BTreeSet<CheckId>, now: &BTreeSet<CheckId>) -> Self {
        let removed = before.difference(now);
        Self {
            checks: now.len(),
            removed: removed.clone().count(),
            named: removed.take(NAMED).cloned().collect(),
        }
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks", self.checks)?;
        if self.removed == 0 {
            return Ok(());
        }
        let names: Vec<&str> = self.named.iter().map(CheckId::as_str).collect();
        write!(f, ", {} removed: {}", self.removed, names.join(", "))?;
        match self.removed - self.named.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: std::ops::Range<usize>) -> BTreeSet<CheckId> {
        numbers
            .map(|number| CheckId::new(&format!("c{number:02}")))
            .collect()
    }

    #[test]
    fn checks_that_are_gone_are_named_up_to_a_bound() {
        let said = |before, now| Reloaded::new(&ids(before), &ids(now)).to_string();
        assert_eq!(said(0..3, 0..5), "5 checks");
        assert_eq!(said(0..3, 1..2), "1 checks, 2 removed: c00, c02");
        let many = said(0..50, 0..0);
        assert!(many.starts_with("0 checks, 50 removed: c00, c01, "), "{many}");
        assert!(many.ends_with(", c19 and 30 more"), "{many}");
    }
}
