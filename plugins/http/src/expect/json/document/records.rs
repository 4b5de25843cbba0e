//! The values of a document, stored in chunks of one size, so that fragmented memory can hold them.

use super::Record;
use crate::memory::{MemoryBudget, OutOfMemory};

/// Values per chunk.
const PIECE: usize = 2_048;

/// All values, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Records {
    pieces: Vec<Vec<Record>>,
}

impl Records {
    pub(super) fn len(&self) -> usize {
        let before = self.pieces.len().saturating_sub(1) * PIECE;
        self.pieces.last().map_or(0, |last| before + last.len())
    }

    pub(super) fn get(&self, index: usize) -> Option<&Record> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Record> {
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.pieces.len() * PIECE * size_of::<Record>()
    }

    /// Appends a value, if there is memory for it besides the existing ones.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn push(&mut self, record: Record, memory: MemoryBudget) -> Result<(), OutOfMemory> {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            memory.without(self.memory()).reserve(&mut self.pieces, 1)?;
            self.pieces.push(Vec::new());
        }
        let taken = self.memory().saturating_sub(PIECE * size_of::<Record>());
        let Some(last) = self.pieces.last_mut() else {
            return Err(OutOfMemory);
        };
        if last.len() == last.capacity() {
            // Most documents are small, so a chunk grows exponentially.
            let more = last.len().clamp(1, PIECE - last.len());
            memory.without(taken).reserve(last, more)?;
        }
        last.push(record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Role};
    use super::*;

    fn record(next: usize) -> Record {
        Record {
            kind: Kind::Null,
            role: Role::Element,
            next,
        }
    }

    #[test]
    fn each_is_where_it_was_put() {
        let mut records = Records::default();
        for number in 0..3 * PIECE {
            records.push(record(number), MemoryBudget::default()).unwrap();
            assert_eq!(records.len(), number + 1);
        }
        for number in 0..3 * PIECE {
            assert_eq!(records.get(number).unwrap().next, number);
            records.get_mut(number).unwrap().next = 0;
        }
        assert!(records.get(3 * PIECE).is_none());
    }

    #[test]
    fn there_are_no_more_than_there_is_memory_for() {
        let memory = MemoryBudget::for_quota((4 << 20) + 10 * (PIECE * size_of::<Record>()) as u64);
        let mut records = Records::default();
        let refused = (0..20 * PIECE).find(|number| records.push(record(*number), memory).is_err());
        let refused = refused.unwrap();
        assert!((9 * PIECE..=10 * PIECE).contains(&refused), "{refused}");
    }
}
