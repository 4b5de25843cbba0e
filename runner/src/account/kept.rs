//! Counts by outcome as they are kept on disk: words that a later version does not know are counted as `stopped`, so
//! that no run vanishes.

use std::collections::BTreeMap;

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use super::{OUTCOMES, add};

/// Of runs of which nothing more is known.
const OTHER: &str = "stopped";

pub(super) fn serialize<S: Serializer>(
    counts: &BTreeMap<&'static str, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    counts.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    let mut counts = BTreeMap::new();
    for (word, count) in BTreeMap::<String, u64>::deserialize(deserializer)? {
        let known = OUTCOMES.into_iter().find(|known| *known == word);
        add(counts.entry(known.unwrap_or(OTHER)).or_default(), count);
    }
    Ok(counts)
}
