//! Bounds on what an attacker can gain by the size and the shape of secrets and texts.

use std::iter::repeat_with;

use super::*;
use crate::redact::fingerprints::lookup_counter;

/// Maximum look-ups per byte of a text: nine window lengths in each decoded text, for all secrets and for one owner.
const MOST: u64 = 9 * 2 * (decodings::MAX_DECODED_RATIO as u64 + 1);

fn random(length: usize, seed: u64) -> String {
    let mut dice = fastrand::Rng::with_seed(seed);
    repeat_with(|| dice.alphanumeric()).take(length).collect()
}

#[test]
fn every_excerpt_of_a_secret_is_masked_wherever_it_begins() {
    for length in [16, 17, 36, 64, 250, 1_024, 4_096] {
        let secret = random(length, 7);
        let secrets = secrets(&[&secret]);
        for most in [16, 21, 34, 100] {
            for excerpt in secret.as_bytes().windows(most) {
                let excerpt = str::from_utf8(excerpt).unwrap();
                let redacted = secrets.redact(&format!("<{excerpt}>"));
                assert_eq!(redacted, "<***>", "{excerpt} of {length}");
            }
        }
    }
}

#[test]
fn an_excerpt_of_an_encoding_is_masked_wherever_it_begins() {
    for length in [32, 4_096, 200_000] {
        let secret = random(length, 3);
        let secrets = secrets(&[&secret]);
        for encoded in [hex::encode(&secret), STANDARD.encode(&secret)] {
            for start in (0..encoded.len() - 40).step_by(encoded.len() / 997 + 1) {
                let excerpt = &encoded[start..start + 40];
                let redacted = secrets.redact(excerpt);
                assert!(redacted.contains("***") && redacted.len() <= 3 + 22, "{redacted}");
            }
        }
    }
}

#[test]
fn every_line_of_a_secret_is_masked_however_many_there_are() {
    for length in [8, 11, 12, 40] {
        let lines: Vec<String> = (0..5_000).map(|seed| random(length, seed)).collect();
        let secrets = secrets(&[&lines.join("\n")]);
        for line in &lines {
            assert_eq!(secrets.redact(&format!("got <{line}>")), "got <***>");
        }
    }
}

#[test]
fn the_work_is_linear_in_the_text_whatever_the_secrets_are() {
    let lines = |line: fn(u64) -> String| (0..256).map(line).collect::<Vec<_>>().join("\n");
    let bundle = lines(|number| random(64, number));
    let escapes = lines(|number| random(12, number) + "%41");
    let alike = lines(|number| format!("{}{number:05}", "a".repeat(12)));
    let short = lines(|number| random(4 + usize::try_from(number % 8).unwrap(), number));
    let uniform = "a".repeat(64 << 10);
    let many: Vec<String> = (0..512).map(|seed| random(24, seed)).collect();
    let mut all = vec![bundle, escapes, alike, short, uniform];
    all.extend(many);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let secrets = secrets(&all);
    let text = [
        "%2541…".repeat(9_000),
        "a".repeat(64 << 10),
        "…".repeat(20_000),
        all[0].repeat(4),
        "%25".repeat(20_000),
        "=?=41_".repeat(10_000),
        "&amp;".repeat(20_000),
        "&amp;amp;amp;".repeat(8_000),
        "1,".repeat(40_000),
        "1,2 x".repeat(20_000),
        r"\065^`=?%%41 1,2,3,4 ".repeat(4_000),
        STANDARD.encode(r"\065%41").repeat(4_000),
        hex::encode(r"\065%41").repeat(4_000),
    ];
    for text in text {
        let bytes = u64::try_from(text.len()).unwrap();
        let took = lookup_counter::count_in(|| drop(secrets.redact(&text)));
        assert!(took <= MOST * (bytes + 100), "{took} look-ups for {bytes} bytes");
    }
}

#[test]
fn nothing_is_looked_up_if_there_is_nothing_to_find() {
    for secrets in [Secrets::default(), secrets(&["abc"])] {
        assert!(secrets.is_empty());
        assert_eq!(lookup_counter::count_in(|| drop(secrets.redact(ODD))), 0);
    }
}

#[test]
fn a_long_text_is_searched_in_chunks_that_overlap() {
    let text = "a".repeat(2 * CHUNK + 1);
    let lengths: Vec<usize> = chunks(&text).map(|chunk| chunk.units().len()).collect();
    // The first one has a gap at its end, because the text continues.
    assert_eq!(lengths, [CHUNK + OVERLAP + 1, CHUNK + 1, 1]);
}

#[test]
fn no_more_of_a_text_is_searched_than_what_is_kept_and_a_little_behind_it() {
    let secrets = secrets(&["correct-horse"]);
    let cost = |text: &str, max| lookup_counter::count_in(|| drop(secrets.redact_truncated(text, max)));
    let text = "a".repeat(1 << 20);
    let searched = &text[..40 + OVERLAP];
    assert_eq!(cost(&text, 40), cost(searched, searched.len()));
}

#[test]
fn more_secrets_cost_no_more_look_ups() {
    let text = "%2541…aaaaaaaaaaaaaaaaaaaa".repeat(1_000);
    let cost = |count| {
        let values: Vec<String> = (0..count).map(|seed| random(24, seed)).collect();
        let secrets = Secrets::new(values.iter().map(String::as_str));
        lookup_counter::count_in(|| drop(secrets.redact(&text)))
    };
    assert_eq!(cost(2), cost(200));
}

#[test]
fn what_knows_a_secret_has_a_bound() {
    // Of 9 bytes each.
    for (length, most) in [(32, 600), (4 << 10, 20_000), (1 << 20, 2_500_000)] {
        let fingerprints: Fingerprints = secret_forms::shared(&random(length, 5)).into();
        assert!(fingerprints.len() <= most, "{} of {length}", fingerprints.len());
    }
}

#[test]
fn a_form_has_a_fingerprint_for_each_window_and_each_beginning_and_a_long_one_fewer() {
    let count = |length: u8, step| {
        let mut fingerprints = FingerprintBuilder::default();
        fingerprints.add(&(0..length).collect::<Vec<u8>>(), step);
        Fingerprints::from(fingerprints).len()
    };
    assert_eq!(count(7, 1), 1);
    assert_eq!(count(10, 1), 2 + 1);
    assert_eq!(count(16, 1), 4 + 5);
    assert_eq!(count(120, WINDOW), 4 + 10);
}

#[test]
fn a_value_in_ascii_or_of_more_than_four_kibibytes_is_not_known_in_other_charsets() {
    let count = |value: String| secret_forms::shared(&value).len();
    let in_all = count(random(4_094, 5) + "é");
    assert!(count(random(4_095, 5) + "é") < in_all);
    assert!(count(random(4_096, 5)) < in_all);
}

#[test]
fn what_is_known_in_all_texts_takes_no_memory_for_its_owner() {
    assert_eq!(secret_forms::own(&random(32, 5)).len(), 0);
}

#[test]
fn a_secret_and_a_text_of_one_character_are_masked() {
    let secret = "a".repeat(64 << 10);
    let redacted = secrets(&[&secret]).redact(&"a".repeat(1 << 20));
    assert_eq!(redacted, "***");
}
