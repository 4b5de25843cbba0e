//! A compact set of hashes.

/// Average number of keys per bucket, or up to twice as many.
const BUCKET_SIZE: usize = 4;

/// Sorted hashes, with an index by their leading bits: 9 bytes each.
#[derive(Default)]
pub(super) struct CompactSet {
    keys: Box<[u64]>,
    /// Start of each bucket in `keys`, and the end of the last one.
    starts: Box<[u32]>,
    /// Number of trailing bits that are not part of the bucket index.
    shift: u32,
}

impl CompactSet {
    pub(super) fn new(mut keys: Vec<u64>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let bits = (keys.len() / BUCKET_SIZE).max(1).ilog2();
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut start = 0;
        for bucket in 0..=(1_u64 << bits) {
            let rest = keys.get(start..).unwrap_or_default();
            start += rest
                .iter()
                .take_while(|key| bucket_of(**key, shift) < bucket)
                .count();
            starts.push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        Self {
            keys: keys.into(),
            starts: starts.into(),
            shift,
        }
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.bucket(key).is_some_and(|bucket| bucket.contains(&key))
    }

    fn bucket(&self, key: u64) -> Option<&[u64]> {
        let bucket = usize::try_from(bucket_of(key, self.shift)).ok()?;
        let start = usize::try_from(*self.starts.get(bucket)?).ok()?;
        let end = usize::try_from(*self.starts.get(bucket + 1)?).ok()?;
        self.keys.get(start..end)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn bucket_of(key: u64, shift: u32) -> u64 {
    key.checked_shr(shift).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let mut dice = fastrand::Rng::with_seed(1);
        for count in [0, 1, 2, 7, 8, 9, 1_000, 100_000] {
            let mut put: Vec<u64> = (0..count).map(|_| dice.u64(..)).collect();
            put.extend([0, u64::MAX].iter().take(count));
            let keys = CompactSet::new(put.clone());
            assert!(put.iter().all(|key| keys.contains(*key)), "{count}");
            assert!(
                (0..1_000).all(|_| !keys.contains(dice.u64(1..u64::MAX))),
                "{count}"
            );
        }
    }

    #[test]
    fn a_key_takes_nine_bytes_and_no_bucket_is_large() {
        let mut dice = fastrand::Rng::with_seed(2);
        let keys = CompactSet::new((0..1 << 20).map(|_| dice.u64(..)).collect());
        assert!(keys.starts.len() * 4 <= keys.len() + 4);
        let largest = keys.starts.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(largest < Some(40), "{largest:?}");
    }
}
