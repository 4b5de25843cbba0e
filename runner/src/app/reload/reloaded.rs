//! Summary of a reload.

use std::collections::BTreeSet;
use std::fmt;

use canary_suite::CheckId;

/// Maximum number of checks that are named.
const MAX_NAMED: usize = 20;

/// How many checks the new suite has, and which ones it no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Number of active checks.
    pub checks: usize,
    /// Number of removed checks.
    pub removed: usize,
    /// The first of the removed checks, by name.
    named: Vec<CheckId>,
}

impl Reloaded {
    pub(super) fn new(before: &BTreeSet<CheckId>, now: &BTreeSet<CheckId>) -> Self {
        let removed = before.difference(now);
        Self {
            checks: now.len(),
            removed: removed.clone().count(),
            named: removed.take(MAX_NAMED).cloned().collect(),
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
        let text = |before, now| Reloaded::new(&ids(before), &ids(now)).to_string();
        assert_eq!(text(0..3, 0..5), "5 checks");
        assert_eq!(text(0..3, 1..2), "1 checks, 2 removed: c00, c02");
        let many = text(0..50, 0..0);
        assert!(many.starts_with("0 checks, 50 removed: c00, c01, "), "{many}");
        assert!(many.ends_with(", c19 and 30 more"), "{many}");
    }
}
