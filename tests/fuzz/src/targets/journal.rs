//! Telemetry journals in any state after a kill or a disk fault.
//!
//! An input: where the file is cut (two bytes), where it is damaged (two bytes) and by what (a byte), how large a
//! request may get (a byte), and what is written, cut at each 0xff: resource, scope and frames.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use canary::fuzzing::journal::{JournalEnvelope, Recovered, pieces, recover, write_journal};

/// Bytes before the payload of a record.
const HEADER: usize = 8;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("canary-fuzz-{}.segment", std::process::id())));

pub(crate) fn run(data: &[u8]) {
    reads_anything(data);
    let Some(([a, b, c, d, damage, size], written)) = data.split_first_chunk::<6>() else {
        return;
    };
    let (cut, place) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
    let mut parts = written.split(|byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let envelope = JournalEnvelope::new(part(), part());
    let journal = Journal {
        sizes: written.split(|byte| *byte == 0xff).map(<[u8]>::len).collect(),
        frames: parts.collect(),
        envelope,
    };
    if let Some((left, intact)) = journal.write(usize::from(cut), usize::from(place), *damage) {
        journal.recovers(left, intact, usize::from(*size) * 16);
    }
    drop(fs::remove_file(&*FILE));
}

/// Arbitrary bytes yield no more data than they contain, which can be sent or split.
fn reads_anything(data: &[u8]) {
    if fs::write(&*FILE, data).is_ok()
        && let Ok(recovered) = recover(&FILE, 64)
    {
        for request in &recovered.requests {
            assert!(
                request.len() <= data.len() + 64,
                "{} of {}",
                request.len(),
                data.len()
            );
            can_be_split(request);
        }
    }
    drop(fs::remove_file(&*FILE));
    can_be_split(data);
}

/// Every item is in one piece, and pieces of one item can be split no further.
fn can_be_split(request: &[u8]) {
    for limit in [0, 64, request.len()] {
        let Some((found, items)) = pieces(request, limit) else {
            return;
        };
        assert_eq!(found.iter().map(|(_, count)| count).sum::<usize>(), items);
        for (piece, count) in found {
            assert_eq!(pieces(&piece, usize::MAX).map(|(_, items)| items), Some(count));
        }
    }
}

struct Journal<'d> {
    envelope: JournalEnvelope,
    frames: Vec<&'d [u8]>,
    /// Of all records, those of the envelope too.
    sizes: Vec<usize>,
}

impl Journal<'_> {
    /// Writes the file, cuts and damages it; how many bytes are as they were, and whether these are all.
    fn write(&self, cut: usize, place: usize, damage: u8) -> Option<(usize, bool)> {
        drop(fs::remove_file(&*FILE));
        write_journal(&FILE, &self.envelope, &self.frames).ok()?;
        let mut bytes = fs::read(&*FILE).ok()?;
        let whole = bytes.len();
        bytes.truncate(cut);
        let mut intact = bytes.len();
        if damage != 0
            && let Some(byte) = bytes.get_mut(place)
        {
            *byte ^= damage;
            intact = place;
        }
        write(&FILE, &bytes)?;
        Some((intact, intact == whole))
    }

    /// Everything written before the damage is recovered, in order, and nothing else.
    fn recovers(&self, intact: usize, is_whole: bool, max_bytes: usize) {
        let Ok(Recovered {
            requests,
            has_unreadable_rest,
        }) = recover(&FILE, max_bytes)
        else {
            return;
        };
        let mut end = 0;
        let records = self.sizes.iter().take_while(|size| {
            end += HEADER + **size;
            end <= intact
        });
        let frames = records.count().saturating_sub(2);
        let expected = self.requests(frames, max_bytes);
        assert_eq!(requests, expected, "{frames} of {} frames", self.frames.len());
        if is_whole {
            assert!(!has_unreadable_rest && frames == self.frames.len());
        }
    }

    fn requests(&self, frames: usize, max_bytes: usize) -> Vec<Vec<u8>> {
        let mut groups: Vec<Vec<u8>> = Vec::new();
        for frame in self.frames.iter().take(frames) {
            match groups.last_mut() {
                Some(group) if group.len() + frame.len() <= max_bytes => group.extend_from_slice(frame),
                _ => groups.push(frame.to_vec()),
            }
        }
        groups.iter().map(|group| self.envelope.request(group)).collect()
    }
}

fn write(path: &Path, bytes: &[u8]) -> Option<()> {
    fs::write(path, bytes).ok()
}
