//! Plugins in memory: the same bytes once, whatever names suites give them, and all of them within a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::PluginError;
use crate::sandbox::{Description, Program};

/// Bytes that all plugins in memory may take, those of a suite that is about to be replaced included.
const MOST: u64 = 1 << 30;
/// Bytes that a parsed schema may take for each byte of its text: `{"":0},` is a tree of its own.
const PER_SCHEMA_BYTE: u64 = 96;

/// What the bytes of a plugin were made into.
pub(super) struct Compiled {
    /// Lower-case hexadecimal SHA-256 of the wasm.
    pub(super) digest: Arc<str>,
    pub(super) description: Description,
    /// Its `config-schema`, parsed.
    pub(super) config_schema: Arc<serde_json::Value>,
    pub(super) program: Program,
    pub(super) _room: Room,
}

/// What the process has of plugins. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Bytes of all that are in memory.
    taken: u64,
    compiled: HashMap<Arc<str>, Weak<Compiled>>,
}

/// Room for a plugin; given back on drop.
pub(super) struct Room {
    shared: Shared,
    bytes: u64,
}

impl Shared {
    /// The plugin of these bytes, if it is in memory.
    pub(super) fn find(&self, digest: &str) -> Option<Arc<Compiled>> {
        self.table().compiled.get(digest)?.upgrade()
    }

    /// Keeps it for as long as a suite has it. The one that is there already if another name was faster.
    pub(super) fn keep(&self, compiled: Compiled) -> Arc<Compiled> {
        let compiled = Arc::new(compiled);
        let mut table = self.table();
        let known = table.compiled.get(&compiled.digest).and_then(Weak::upgrade);
        if let Some(known) = known {
            // Its room is given back by the lock that is held here.
            drop(table);
            return known;
        }
        table.compiled.retain(|_, compiled| compiled.strong_count() > 0);
        let digest = Arc::clone(&compiled.digest);
        table.compiled.insert(digest, Arc::downgrade(&compiled));
        compiled
    }

    /// Room for a plugin of so much machine code and text, and for its parsed schema.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn room(&self, artefact: u64, schema: u64) -> Result<Room, PluginError> {
        let bytes = artefact.saturating_add(schema.saturating_mul(PER_SCHEMA_BYTE));
        let mut table = self.table();
        let taken = table.taken.saturating_add(bytes);
        if taken > MOST {
            return Err(PluginError::NoRoom {
                taken: table.taken >> 20,
                wanted: bytes.div_ceil(1 << 20),
                most: MOST >> 20,
            });
        }
        table.taken = taken;
        Ok(Room {
            shared: self.clone(),
            bytes,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        table.taken = table.taken.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_have_room_together_and_give_it_back() {
        let shared = Shared::default();
        let first = shared.room(MOST / 2, 0).unwrap();
        let refused = shared.room(MOST / 2, 1).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "it takes 513 MiB of memory, and the plugins that are in it have 512 of 1024 MiB; use fewer or smaller plugins"
        );
        let second = shared.room(MOST / 2, 0).unwrap();
        assert!(shared.room(1, 0).is_err());
        drop((first, second));
        assert!(shared.room(MOST, 0).is_ok());
    }
}
