//! The registry of all secrets of the process: the secret of one check or receiver may occur in the texts of another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use super::fingerprints::{FingerprintBuilder, Fingerprints};
use super::{ExposedSecrets, OwnSecrets, Secret, SecretGroup, Secrets, secret_forms};

/// Memory per fingerprint, in bytes.
const FINGERPRINT_BYTES: usize = 9;
/// Maximum memory for the fingerprints of a suite's secrets, in bytes.
const MAX_SUITE_BYTES: usize = 128 << 20;
/// Maximum memory for the fingerprints of all secrets, in bytes.
const MAX_TOTAL_BYTES: usize = 256 << 20;

/// The secrets of the suite, of former suites with runs in progress, and of the settings. Cheap to clone; clones share
/// their contents. `Debug` redacts them.
#[derive(Clone, Default)]
pub struct SecretRegistry(Arc<RegistryState>);

#[derive(Default)]
struct RegistryState {
    registrations: Mutex<Registrations>,
    /// The fingerprints of all secrets. Locked only for an assignment.
    fingerprints: RwLock<Arc<Fingerprints>>,
}

#[derive(Default)]
struct Registrations {
    sets: Vec<Weak<SecretSet>>,
    /// The values that are registered now.
    values: HashSet<Arc<str>>,
}

/// Secrets that stay registered until this is dropped and others are registered.
#[derive(Default)]
pub(super) struct SecretSet(Mutex<BTreeMap<usize, Arc<Secret>>>);

/// The secrets exceed the memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManySecrets {
    #[error(
        "the secrets that the suite refers to take more than {} MiB of memory to be recognised in every text",
        MAX_SUITE_BYTES >> 20
    )]
    Suite,
    #[error(
        "the secrets that the suite refers to, those of the settings, and those of runs under way take more than {} MiB \
         of memory to be recognised in every text",
        MAX_TOTAL_BYTES >> 20
    )]
    All,
}

impl TooManySecrets {
    /// Whether it may succeed later, when runs of other suites have ended.
    pub fn is_transient(self) -> bool {
        self == Self::All
    }
}

/// Builds the secrets of the checks of a suite.
pub struct SuiteSecrets {
    registry: SecretRegistry,
    set: Arc<SecretSet>,
    /// By the addresses of their secrets.
    groups: HashMap<Vec<usize>, Arc<SecretGroup>>,
    /// By the addresses of their groups: checks with the same ones share their fingerprints.
    shared: HashMap<Vec<usize>, Secrets>,
}

impl SecretRegistry {
    /// Registers these values, so that they are masked in all texts from now on.
    #[must_use]
    pub fn register<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Secrets {
        let values = values.into_iter().map(|value| Arc::new(Secret::new(value)));
        let secrets: Vec<Arc<Secret>> = values.collect();
        if secrets.is_empty() {
            return self.secrets();
        }
        let set = Arc::new(SecretSet::default());
        set.extend(&secrets);
        self.add(&set);
        Secrets {
            registry: self.clone(),
            own: Some(Arc::new(OwnSecrets {
                groups: vec![Arc::new(SecretGroup::new(&secrets))],
                set,
            })),
        }
    }

    /// For owners without secrets of their own.
    #[must_use]
    pub fn secrets(&self) -> Secrets {
        Secrets {
            registry: self.clone(),
            own: None,
        }
    }

    /// Registers secrets of the operator, without a limit.
    pub(super) fn add(&self, set: &Arc<SecretSet>) {
        // Without a limit there is no error.
        let _added = self.try_register(set, usize::MAX, usize::MAX);
    }

    pub(super) fn try_register(
        &self,
        set: &Arc<SecretSet>,
        own: usize,
        all: usize,
    ) -> Result<(), TooManySecrets> {
        let mut registrations = self.registrations();
        registrations.sets.retain(|known| known.strong_count() > 0);
        let others = registrations.sets.iter().filter_map(Weak::upgrade);
        let others: Vec<Arc<str>> = others.flat_map(|known| known.values()).collect();
        let values: HashSet<Arc<str>> = set.values().into_iter().chain(others.iter().cloned()).collect();
        if values != registrations.values {
            let fingerprints = collected(&set.values(), &others, (own, all))?;
            *self
                .0
                .fingerprints
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Arc::new(fingerprints.into());
            registrations.values = values;
        }
        registrations.sets.push(Arc::downgrade(set));
        Ok(())
    }

    /// Whether no secret is registered that is masked in all texts.
    pub(super) fn is_empty(&self) -> bool {
        let fingerprints = self.0.fingerprints.read();
        fingerprints.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The fingerprints of all registered secrets at this time.
    pub(super) fn fingerprints(&self) -> Arc<Fingerprints> {
        Arc::clone(&self.0.fingerprints.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn registrations(&self) -> MutexGuard<'_, Registrations> {
        self.0
            .registrations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fingerprints of the secrets of a set, and of the others.
fn collected(
    own: &[Arc<str>],
    others: &[Arc<str>],
    (max_own, max): (usize, usize),
) -> Result<FingerprintBuilder, TooManySecrets> {
    let mut fingerprints = FingerprintBuilder::default();
    let mut seen = HashSet::new();
    let own = own.iter().map(|value| (value, max_own, TooManySecrets::Suite));
    let others = others.iter().map(|value| (value, max, TooManySecrets::All));
    for (value, max, error) in own.chain(others) {
        if seen.insert(value) {
            fingerprints.absorb(secret_forms::shared(value));
        }
        if fingerprints.len().saturating_mul(FINGERPRINT_BYTES) > max {
            return Err(error);
        }
    }
    Ok(fingerprints)
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
    /// No secrets yet; `publish` adds them to `registry`.
    pub fn new(registry: &SecretRegistry) -> Self {
        Self {
            registry: registry.clone(),
            set: Arc::default(),
            groups: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    /// Secrets that several checks may share, fingerprinted once: that takes time linear in the secrets.
    pub fn group(&mut self, secrets: &[Arc<Secret>]) -> Arc<SecretGroup> {
        let mut key: Vec<usize> = secrets.iter().map(|secret| Arc::as_ptr(secret).addr()).collect();
        key.sort_unstable();
        key.dedup();
        let set = &self.set;
        let group = self.groups.entry(key).or_insert_with(|| {
            set.extend(secrets);
            Arc::new(SecretGroup::new(secrets))
        });
        Arc::clone(group)
    }

    /// The secrets of a check. They are registered by [`Self::publish`].
    pub fn for_check(&mut self, groups: &[Arc<SecretGroup>]) -> Secrets {
        let groups: Vec<_> = groups.iter().filter(|group| group.count > 0).cloned().collect();
        let key: Vec<usize> = groups.iter().map(|group| Arc::as_ptr(group).addr()).collect();
        let (registry, set) = (&self.registry, &self.set);
        let shared = self.shared.entry(key).or_insert_with(|| Secrets {
            registry: registry.clone(),
            own: Some(Arc::new(OwnSecrets {
                groups,
                set: Arc::clone(set),
            })),
        });
        shared.clone()
    }

    /// Adds secrets of a check that is not going to run.
    pub fn add<'a>(&self, secrets: impl IntoIterator<Item = &'a Arc<Secret>>) {
        let secrets: Vec<_> = secrets.into_iter().cloned().collect();
        self.set.extend(&secrets);
    }

    /// Detects them in the suite's own texts, after they are published.
    pub fn exposed(&self) -> ExposedSecrets {
        ExposedSecrets::new(self.set.values(), self.registry.secrets())
    }

    /// Registers them, so that they are masked in all texts.
    ///
    /// # Errors
    /// The memory limit is exceeded; then none of them is registered.
    pub fn publish(&self) -> Result<(), TooManySecrets> {
        self.registry
            .try_register(&self.set, MAX_SUITE_BYTES, MAX_TOTAL_BYTES)
    }
}

impl fmt::Debug for SecretRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretRegistry(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_are_gone_take_no_memory() {
        let registry = SecretRegistry::default();
        for _ in 0..100 {
            drop(registry.register(["correct-horse"]));
        }
        assert_eq!(registry.registrations().sets.len(), 1);
    }
}
