//! "Did you mean" suggestions for unknown words.

/// Maximum length in characters; longer words are not compared.
const MAX_CHARS: usize = 64;
/// Minimum similarity of words with a common prefix, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.85;
/// Keys of earlier versions, and their names today.
const RENAMED: [(&str, &str); 3] = [
    ("remind", "repeat_interval"),
    ("runner", "external_url"),
    ("on", "statuses"),
];

/// The candidate that is most similar to `word`: up to one typo per three letters, or a common prefix.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = fold(word);
    let length = word.chars().count();
    if length > MAX_CHARS {
        return None;
    }
    let slips = (length / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = fold(candidate);
            let distance = strsim::osa_distance(&word, &other);
            let is_slip = distance <= slips && distance < length;
            (is_slip || strsim::jaro_winkler(&word, &other) >= MIN_SIMILARITY)
                .then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// The hint for an unknown word: its name today, the closest known one, or a list of all.
pub fn hint<'c>(word: &str, known: impl IntoIterator<Item = &'c str> + Clone) -> Option<String> {
    if let Some(current) = renamed(word, known.clone()) {
        return Some(format!("renamed to `{current}`"));
    }
    if let Some(candidate) = closest(word, known.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let known: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    (!known.is_empty()).then(|| format!("known: {}", known.join(", ")))
}

/// The known word that is the name of `word` today.
fn renamed<'c>(word: &str, known: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let (_, current) = RENAMED.into_iter().find(|(old, _)| *old == word)?;
    known.into_iter().find(|known| *known == current)
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
            ("tagret", "target"),
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

    #[test]
    fn a_key_of_an_earlier_version_hints_at_its_name_today_where_that_is_known() {
        for (old, current) in RENAMED {
            let hinted = format!("renamed to `{current}`");
            assert_eq!(hint(old, ["timeout", current]).as_deref(), Some(&*hinted));
            assert_eq!(hint(old, ["zzz"]).as_deref(), Some("known: `zzz`"));
        }
    }
}
