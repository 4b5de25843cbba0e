//! Anchors of secrets: the value of a secret key may be an alias.

use std::collections::HashSet;
use std::ops::Range;

use super::{Search, value};
use crate::secret_keys::SecretKeys;

/// Maximum number of searches for anchors that stand for secrets; then all anchors do.
const MAX_ANCHOR_SEARCHES: usize = 3;

/// Maximum number of aliases in secrets; with more, all anchors stand for secrets.
const MAX_ALIASES: usize = 10_000;

/// Anchors whose values are secret.
pub(super) enum Anchors<'t> {
    Named(HashSet<&'t str>),
    All,
}

impl Anchors<'_> {
    pub(super) fn contain(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }
}

/// The values of secret keys, and of anchors that such values refer to.
pub(super) fn values(text: &str, keys: &SecretKeys) -> Vec<Range<usize>> {
    let mut anchors = Anchors::Named(HashSet::new());
    for _ in 0..MAX_ANCHOR_SEARCHES {
        let found = Search::new(text, keys, &anchors).run();
        let aliases = found.iter().flat_map(|span| value::aliases(text, span));
        let aliases: HashSet<&str> = aliases.take(MAX_ALIASES).collect();
        if aliases.len() == MAX_ALIASES {
            break;
        }
        if aliases.iter().all(|name| anchors.contain(name)) {
            return found;
        }
        anchors = Anchors::Named(aliases);
    }
    Search::new(text, keys, &Anchors::All).run()
}
