//! Every secret that the process holds, whoever holds it: what one check or receiver was given may turn up in the texts
//! of another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::pieces::{Collected, Pieces};
use super::{ExposedSecrets, Own, Secret, SecretPart, Secrets, needle};

/// Bytes of memory of a piece.
const PIECE_BYTES: usize = 9;
/// Bytes of memory that it may take to know the secrets of a suite.
const MAX_SUITE: usize = 128 << 20;
/// Bytes of memory that it may take to know all secrets.
const MAX_ALL: usize = 256 << 20;

/// The secrets of a suite, of those before it that have runs under way, and of the settings. Cheap to clone; all clones
/// know the same. `Debug` shows nothing of them.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<Known>);

#[derive(Default)]
struct Known {
    holders: Mutex<Holders>,
    /// By which the secrets of all holders are found. Held for an assignment.
    pieces: RwLock<Arc<Pieces>>,
}

#[derive(Default)]
struct Holders {
    sets: Vec<Weak<SecretSet>>,
    /// Those that are known now.
    values: HashSet<Arc<str>>,
}

/// Secrets that are known as long as somebody has this, and until others come.
#[derive(Default)]
pub(super) struct SecretSet(Mutex<BTreeMap<usize, Arc<Secret>>>);

/// More secrets than there is memory for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManySecrets {
    #[error(
        "the secrets that the suite refers to take more than {} MiB of memory to be recognised in every text",
        MAX_SUITE >> 20
    )]
    Suite,
    #[error(
        "the secrets that the suite refers to, those of the settings, and those of runs under way take more than {} MiB \
         of memory to be recognised in every text",
        MAX_ALL >> 20
    )]
    All,
}

impl TooManySecrets {
    /// Whether there may be room later, once runs have ended that others are for.
    pub(crate) fn is_transient(self) -> bool {
        self == Self::All
    }
}

/// The secrets of a suite while its checks are made.
pub(crate) struct SuiteSecrets {
    known: KnownSecrets,
    set: Arc<SecretSet>,
    /// By the secrets that they are made of.
    parts: HashMap<Vec<usize>, Arc<SecretPart>>,
    /// By the parts that they are made of: checks with the same ones share what finds them.
    shared: HashMap<Vec<usize>, Secrets>,
}

impl KnownSecrets {
    /// These values, known to everyone from now on.
    #[must_use]
    pub fn hold<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Secrets {
        let values = values.into_iter().map(|value| Arc::new(Secret::new(value)));
        let secrets: Vec<Arc<Secret>> = values.collect();
        if secrets.is_empty() {
            return self.others();
        }
        let set = Arc::new(SecretSet::default());
        set.extend(&secrets);
        self.add(&set);
        Secrets {
            known: self.clone(),
            own: Some(Arc::new(Own {
                parts: vec![Arc::new(SecretPart::new(&secrets))],
                set,
            })),
        }
    }

    /// For somebody who has no secrets of their own.
    #[must_use]
    pub fn others(&self) -> Secrets {
        Secrets {
            known: self.clone(),
            own: None,
        }
    }

    /// Adds what the operator wrote, however much that is.
    pub(super) fn add(&self, set: &Arc<SecretSet>) {
        // Without a limit there is no error.
        let _added = self.admit(set, usize::MAX, usize::MAX);
    }

    pub(super) fn admit(&self, set: &Arc<SecretSet>, own: usize, all: usize) -> Result<(), TooManySecrets> {
        let mut holders = self.holders();
        holders.sets.retain(|known| known.strong_count() > 0);
        let others = holders.sets.iter().filter_map(Weak::upgrade);
        let others: Vec<Arc<str>> = others.flat_map(|known| known.values()).collect();
        let values: HashSet<Arc<str>> = set.values().into_iter().chain(others.iter().cloned()).collect();
        if values != holders.values {
            let pieces = collected(&set.values(), &others, (own, all))?;
            *self.0.pieces.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pieces.into());
            holders.values = values;
        }
        holders.sets.push(Arc::downgrade(set));
        Ok(())
    }

    /// By which all of them are found, as of now.
    pub(super) fn pieces(&self) -> Arc<Pieces> {
        Arc::clone(&self.0.pieces.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.0.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pieces of the secrets of a set, and of those of others.
fn collected(
    own: &[Arc<str>],
    others: &[Arc<str>],
    (most_of_own, most): (usize, usize),
) -> Result<Collected, TooManySecrets> {
    let mut pieces = Collected::default();
    let mut seen = HashSet::new();
    let own = own
        .iter()
        .map(|value| (value, most_of_own, TooManySecrets::Suite));
    let others = others.iter().map(|value| (value, most, TooManySecrets::All));
    for (value, most, error) in own.chain(others) {
        if seen.insert(value) {
            pieces.absorb(needle::shared(value));
        }
        if pieces.len().saturating_mul(PIECE_BYTES) > most {
            return Err(error);
        }
    }
    Ok(pieces)
}

impl SecretSet {
    pub(super) fn extend(&self, secrets: &[Arc<Secret>]) {
        let by_place = |secret: &Arc<Secret>| (Arc::as_ptr(secret).addr(), Arc::clone(secret));
        self.secrets().extend(secrets.iter().map(by_place));
    }

    fn values(&self) -> Vec<Arc<str>> {
        self.secrets()
            .values()
            .map(|secret| Arc::clone(&secret.value))
            .collect()
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Secret>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SuiteSecrets {
    pub(crate) fn new(known: &KnownSecrets) -> Self {
        Self {
            known: known.clone(),
            set: Arc::default(),
            parts: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    /// What several checks may have in common, to be made once: it takes as long as there are secrets.
    pub(crate) fn part(&mut self, secrets: &[Arc<Secret>]) -> Arc<SecretPart> {
        let mut key: Vec<usize> = secrets.iter().map(|secret| Arc::as_ptr(secret).addr()).collect();
        key.sort_unstable();
        key.dedup();
        let set = &self.set;
        let part = self.parts.entry(key).or_insert_with(|| {
            set.extend(secrets);
            Arc::new(SecretPart::new(secrets))
        });
        Arc::clone(part)
    }

    /// The secrets of a check. They are known to everyone once they are published.
    pub(crate) fn of(&mut self, parts: &[Arc<SecretPart>]) -> Secrets {
        let parts: Vec<_> = parts.iter().filter(|part| part.count > 0).cloned().collect();
        let key: Vec<usize> = parts.iter().map(|part| Arc::as_ptr(part).addr()).collect();
        let (known, set) = (&self.known, &self.set);
        let shared = self.shared.entry(key).or_insert_with(|| Secrets {
            known: known.clone(),
            own: Some(Arc::new(Own {
                parts,
                set: Arc::clone(set),
            })),
        });
        shared.clone()
    }

    /// Adds secrets of a check that nobody runs.
    pub(crate) fn add<'a>(&self, secrets: impl IntoIterator<Item = &'a Arc<Secret>>) {
        let secrets: Vec<_> = secrets.into_iter().cloned().collect();
        self.set.extend(&secrets);
    }

    /// What finds them in the suite's own texts, once they are published.
    pub(crate) fn exposed(&self) -> ExposedSecrets {
        ExposedSecrets::new(self.set.values(), self.known.others())
    }

    /// Makes them known to everyone.
    ///
    /// # Errors
    /// When that takes too much memory; then nothing new is known.
    pub(crate) fn publish(&self) -> Result<(), TooManySecrets> {
        self.known.admit(&self.set, MAX_SUITE, MAX_ALL)
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownSecrets(redacted)")
    }
}
