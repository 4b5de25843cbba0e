//! The plugins in memory: loaded once per content whatever their names are, within a common memory limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::PluginError;
use crate::{Description, Program};

/// Maximum bytes of all plugins in memory, including those of a suite that is about to be replaced.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes that a parsed schema may take per byte of its text: in `{"":0},` each pair is a tree node.
const PER_SCHEMA_BYTE: u64 = 96;

/// A compiled plugin.
pub(super) struct Compiled {
    /// Lower-case hexadecimal SHA-256 of the wasm.
    pub(super) digest: Arc<str>,
    pub(super) description: Description,
    /// Its parsed `config-schema`.
    pub(super) config_schema: Arc<serde_json::Value>,
    pub(super) program: Program,
    pub(super) _memory: MemoryReservation,
}

/// All plugins in memory. Cheap to clone; all clones are one registry.
#[derive(Clone, Default)]
pub(super) struct PluginRegistry(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Bytes of all reservations.
    taken: u64,
    compiled: HashMap<Arc<str>, Weak<Compiled>>,
}

/// Memory reserved for a plugin; released on drop.
pub(super) struct MemoryReservation {
    registry: PluginRegistry,
    bytes: u64,
}

impl PluginRegistry {
    /// The plugin with this digest, if it is in memory.
    pub(super) fn find(&self, digest: &str) -> Option<Arc<Compiled>> {
        self.table().compiled.get(digest)?.upgrade()
    }

    /// Registers a plugin for as long as a suite holds it. Returns the existing one if it was loaded under another
    /// name meanwhile.
    pub(super) fn insert(&self, compiled: Compiled) -> Arc<Compiled> {
        let compiled = Arc::new(compiled);
        let mut table = self.table();
        let known = table.compiled.get(&compiled.digest).and_then(Weak::upgrade);
        if let Some(known) = known {
            // Dropping `compiled` releases its reservation, which takes the lock that is held here.
            drop(table);
            return known;
        }
        table.compiled.retain(|_, compiled| compiled.strong_count() > 0);
        let digest = Arc::clone(&compiled.digest);
        table.compiled.insert(digest, Arc::downgrade(&compiled));
        compiled
    }

    /// Reserves memory for a plugin's artefact and its parsed schema, given the sizes of the artefact and of the
    /// schema's text.
    ///
    /// # Errors
    /// The limit would be exceeded.
    pub(super) fn reserve_memory(
        &self,
        artefact: u64,
        schema: u64,
    ) -> Result<MemoryReservation, PluginError> {
        let bytes = artefact.saturating_add(schema.saturating_mul(PER_SCHEMA_BYTE));
        let mut table = self.table();
        let taken = table.taken.saturating_add(bytes);
        if taken > MAX_BYTES {
            return Err(PluginError::OverMemoryLimit {
                taken: table.taken >> 20,
                wanted: bytes.div_ceil(1 << 20),
                most: MAX_BYTES >> 20,
            });
        }
        table.taken = taken;
        Ok(MemoryReservation {
            registry: self.clone(),
            bytes,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No critical section can leave the table inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        let mut table = self.registry.table();
        table.taken = table.taken.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_share_a_memory_limit_and_release_their_part() {
        let registry = PluginRegistry::default();
        let first = registry.reserve_memory(MAX_BYTES / 2, 0).unwrap();
        let refused = registry.reserve_memory(MAX_BYTES / 2, 1).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "it needs 513 MiB of memory, and the loaded plugins use 512 of 1024 MiB; use fewer or smaller plugins"
        );
        let second = registry.reserve_memory(MAX_BYTES / 2, 0).unwrap();
        assert!(registry.reserve_memory(1, 0).is_err());
        drop((first, second));
        assert!(registry.reserve_memory(MAX_BYTES, 0).is_ok());
    }
}
