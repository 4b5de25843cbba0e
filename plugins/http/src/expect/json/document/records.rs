//! The values of a document, in pieces of one size: as many as there are, in whatever places the memory of a run has free.

use super::Record;
use crate::memory::{Memory, OutOfMemory};

/// Values in one piece.
const PIECE: usize = 2_048;

/// All of them, in the order of the text.
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

    /// Adds one, where there is memory for it besides those that are there.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn push(&mut self, record: Record, memory: Memory) -> Result<(), OutOfMemory> {
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            memory.without(self.memory()).reserve(&mut self.pieces, 1)?;
            self.pieces.push(Vec::new());
        }
        let taken = self.memory().saturating_sub(PIECE * size_of::<Record>());
        let Some(last) = self.pieces.last_mut() else {
            return Err(OutOfMemory);
        };
        if last.len() == last.capacity() {
            // Most documents are small, and a piece grows fast.
            let more = last.len().clamp(1, PIECE - last.len());
            memory.without(taken).reserve(last, more)?;
        }
        last.push(record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Place};
    use super::*;

    fn record(next: usize) -> Record {
        Record {
            kind: Kind::Null,
            place: Place::Element,
            next,
        }
    }

    #[test]
    fn each_is_where_it_was_put() {
        let mut records = Records::default();
        for number in 0..3 * PIECE {
            records.push(record(number), Memory::default()).unwrap();
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
        let memory = Memory::within((4 << 20) + 10 * (PIECE * size_of::<Record>()) as u64);
        let mut records = Records::default();
        let refused = (0..20 * PIECE).find(|number| records.push(record(*number), memory).is_err());
        let refused = refused.unwrap();
        assert!((9 * PIECE..=10 * PIECE).contains(&refused), "{refused}");
    }
}
