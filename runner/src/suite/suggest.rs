//! "Did you mean".

/// How alike two words must be, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.72;
/// Characters; longer words are not compared.
const MAX_CHARS: usize = 64;

/// The candidate that `word` was most likely meant to be.
pub(super) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.chars().nth(MAX_CHARS).is_some() {
        return None;
    }
    let folded = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let swaps = strsim::normalized_damerau_levenshtein(&folded, &other);
            (swaps.max(strsim::jaro_winkler(&folded, &other) - 0.1), candidate)
        })
        .filter(|(similarity, _)| *similarity >= MIN_SIMILARITY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown word: the closest known one, or all of them.
pub(super) fn hint<'c>(word: &str, known: impl IntoIterator<Item = &'c str> + Clone) -> Option<String> {
    if let Some(candidate) = closest(word, known.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let known: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    (!known.is_empty()).then(|| format!("known: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = [
        "interval",
        "timeout",
        "retries",
        "target",
        "targets",
        "failure_threshold",
    ];

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        for (slip, meant) in [
            ("intervall", "interval"),
            ("tiemout", "timeout"),
            ("time_out", "timeout"),
            ("retry", "retries"),
            ("Target", "target"),
            ("failure-threshold", "failure_threshold"),
        ] {
            assert_eq!(closest(slip, KEYS), Some(meant), "{slip}");
        }
    }

    #[test]
    fn a_word_that_is_like_nothing_known_lists_what_is() {
        assert_eq!(closest("zzz", KEYS), None);
        assert_eq!(hint("zzz", ["a", "b"]).as_deref(), Some("known: `a`, `b`"));
    }
}
