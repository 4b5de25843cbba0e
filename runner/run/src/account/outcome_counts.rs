//! Serialisation of counts by outcome: outcomes that this version does not know are counted as `stopped`, so that no
//! run gets lost.

use std::collections::BTreeMap;

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use super::{OUTCOMES, add};

/// The outcome that unknown ones are counted as.
const UNKNOWN_AS: &str = "stopped";

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
        add(counts.entry(known.unwrap_or(UNKNOWN_AS)).or_default(), count);
    }
    Ok(counts)
}
