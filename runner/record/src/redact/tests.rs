mod bounds;
mod compositions;
mod edges;
mod escapes;
mod forms;
mod registry;
mod work;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use canary_tests::texts::{ODD, encodings, named_entities, numbers, shell};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

fn secrets(values: &[&str]) -> Secrets {
    Secrets::new(values.iter().copied())
}

#[test]
fn a_secret_is_masked_however_it_is_written() {
    let values = [
        ODD.to_owned(),
        "AcMeTenant".to_owned(),
        ODD.repeat(4096 / ODD.len() + 1),
    ];
    for value in values {
        let secrets = secrets(&[&value]);
        for written in encodings(&value) {
            let redacted = secrets.redact(&format!("before {written} after"));
            assert!(redacted.len() < 40, "{written} was left in {redacted}");
            assert!(
                redacted.starts_with("before ") && redacted.ends_with(" after"),
                "{redacted}"
            );
        }
    }
}

#[test]
fn a_secret_within_base64_is_masked_wherever_it_begins() {
    for user in ["", "a", "ab", "abc", "canary"] {
        let credentials = STANDARD_NO_PAD.encode(format!("{user}:correct-horse:end"));
        let redacted = secrets(&["correct-horse"]).redact(&credentials);
        let (before, after) = redacted.split_once("***").unwrap();
        assert!(before.len() <= (user.len() + 1) * 8 / 6 + 1, "{redacted}");
        assert!(after.len() <= 8, "{redacted}");
    }
}

#[test]
fn a_short_secret_within_base64_is_masked_wherever_it_begins() {
    let secret = "49381726";
    for length in 4..=secret.len() {
        let secret = &secret[..length];
        for user in ["", "a", "ab", "abc"] {
            let credentials = STANDARD.encode(format!("{user}:{secret}"));
            let redacted = secrets(&[secret]).redact(&credentials);
            assert!(redacted.contains("***"), "{secret} of {user}: {redacted}");
        }
    }
    let redacted = |text: &str| secrets(&["4938"]).redact(&STANDARD.encode(text));
    assert_eq!(redacted("ab4938"), "YWI***");
    assert_eq!(redacted("4938x"), "***Hg=");
}

#[test]
fn a_secret_in_a_path_is_masked_as_a_url_parser_rewrites_it() {
    for secret in [
        r"pa\ss-wo\rdxx",
        "topfoo/../barsecret",
        "./dotted/./secret",
        "%2e%2e/hidden-part",
        "first-half?second-half",
        "first-half#second-half",
        "tab\tbed\nsecret",
    ] {
        let url = url::Url::parse(&format!("http://host/x{secret}/y")).unwrap();
        for text in [url.as_str(), url.path()] {
            let redacted = secrets(&[secret]).redact(text);
            assert!(redacted.contains("***"), "{redacted}");
            for word in ["rdxx", "barsecret", "dotted", "hidden", "half", "bedsecret"] {
                assert!(!redacted.contains(word), "{redacted}");
            }
        }
    }
}

#[test]
fn a_secret_that_a_cut_divides_is_masked_and_what_is_cut_is_not_read() {
    let secrets = secrets(&["cutsecret-0123456789-abcdef"]);
    for kept in 0..40 {
        let text = format!(
            "{}cutsecret-0123456789-abcdef{}",
            "p".repeat(40 - kept),
            "z".repeat(1 << 20)
        );
        let redacted = secrets.redact_truncated(&text, 40);
        let masked = if kept == 0 { "" } else { "***" };
        assert!(
            redacted.starts_with(&format!("{}{masked}", "p".repeat(40 - kept))),
            "{redacted}"
        );
        assert!(!redacted.contains("cut"), "{redacted}");
        assert!(redacted.ends_with('…'));
    }
}

#[test]
fn a_cut_is_at_a_character() {
    assert_eq!(Secrets::default().redact_truncated("äää", 3), "ä…");
    assert_eq!(Secrets::default().redact_truncated("äää", 6), "äää");
}

#[test]
fn excerpts_of_a_long_secret_are_masked() {
    let secret: String = (0..300_u32)
        .map(|number| format!("{:x}", number.wrapping_mul(2_654_435_761)))
        .collect();
    let secrets = secrets(&[&secret]);
    for start in (0..secret.len() - 100).step_by(7) {
        let excerpt = &secret[start..start + 100];
        assert_eq!(secrets.redact(excerpt), "***", "from {start}");
    }
    assert_eq!(secrets.redact(&secret[..7]), secret[..7]);
    for kept in 8..16 {
        let begin = &secret[..kept];
        assert_eq!(
            secrets.redact(&format!("`{begin}…` is not there")),
            "`***…` is not there"
        );
        assert_eq!(secrets.redact(&format!("found \"{begin}\"")), "found \"***\"");
    }
}

#[test]
fn a_line_of_a_key_is_masked_and_its_armour_is_not() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----";
    let redacted = secrets(&[key]).redact("bad line MIIEvQIBADANBg behind -----BEGIN KEY-----");
    assert_eq!(redacted, "bad line *** behind -----BEGIN KEY-----");
}

#[test]
fn two_secrets_that_overlap_are_masked_together() {
    assert_eq!(
        secrets(&["pass", "password1"]).redact("password1 pass"),
        "*** ***"
    );
    assert_eq!(
        secrets(&["hunter2!", "second-one"]).redact("hunter2!second-one"),
        "***"
    );
    assert_eq!(
        secrets(&["first-half-middle-part", "middle-part-second-half"])
            .redact("first-half-middle-part-second-half"),
        "***"
    );
}

#[test]
fn a_host_and_an_address_are_masked_as_the_host_writes_them() {
    let cases = [
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("db.secret.internal:5432", "db.secret.internal"),
        (
            "https://user:hunter22@shop.secret.example/x",
            "shop.secret.example",
        ),
        ("https://user:hunter22@shop.secret.example/x", "hunter22"),
        ("Bearer abcd-efgh-ijkl", "abcd-efgh-ijkl"),
        ("path-Sec%2077+x", "path-Sec 77+x"),
        ("127.0.0.77", "::ffff:127.0.0.77"),
        ("127.0.0.77", "::ffff:7f00:4d"),
        ("1.2.3.4", "::ffff:102:304"),
        ("1.2.3.4", "ffff:0102:03"),
        ("127.0.0.77\n", "::ffff:7f00:4d"),
        ("127.0.0.77:5432", "::ffff:7f00:4d"),
        ("2130706509", "127.0.0.77"),
        ("2001:0db8:0:0::1", "2001:db8::1"),
        ("2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
    ];
    for (secret, written) in cases {
        let redacted = secrets(&[secret]).redact(&format!("<{written}>"));
        assert!(
            !redacted.contains(written) && redacted.len() < 14,
            "{secret}: {redacted}"
        );
    }
}

#[test]
fn an_address_that_only_resembles_a_secret_stays() {
    let other = "::ffff:7f00:4d";
    for secret in ["127.0.0.77:pass-word", "2001:db8::7f00:4d"] {
        assert_eq!(secrets(&[secret]).redact(other), other, "{secret}");
    }
}

#[test]
fn what_an_encoded_secret_stands_for_is_masked() {
    let credentials = STANDARD.encode("user:S3cretPass-99");
    for secret in [
        format!("Basic {credentials}"),
        credentials.clone(),
        credentials.trim_end_matches('=').to_owned(),
        URL_SAFE.encode("user:S3cretPass-99"),
        hex::encode("S3cretPass-99"),
    ] {
        let redacted = secrets(&[&secret]).redact("password S3cretPass-99 rejected");
        assert_eq!(redacted, "password *** rejected", "{secret}");
    }
}

#[test]
fn other_ways_to_write_a_character_do_not_hide_a_secret() {
    let cases = [
        ("geheim-straße-997", "GEHEIM-STRASSE-997"),
        ("GEHEIM-STRASSE-997", "geheim-straße-997"),
        ("geheim-straße-997", "GEHEIM-STRAẞE-997"),
        ("pa\u{308}sswo\u{308}rd-e\u{301}", "pässwörd-é"),
        ("pässwörd-é", "PA\u{308}SSWO\u{308}RD-E\u{301}"),
        ("pa'ss wo_rd<x>", "=?utf-8?q?pa=27ss_wo=5Frd<x>?="),
        ("pa'ss'wo", r"pa\47ss\047wo"),
        ("pa'ss'wo", "pa&#39ss&#x27wo"),
        ("pa'ss'wo", "pa%u0027ss%U0027wo"),
        ("pa'ss'wo", r"pa\039ss\039wo"),
        ("pass-ddd-997", r"pass-\100\100\100-997"),
        ("geheim-\u{10428}-997", "GEHEIM-\u{10400}-997"),
        ("geheim-997", "ge\u{e0020}heim-9\u{e0020}97"),
        ("geheim-straße-997", "geheim-stra%DFe-997"),
        ("geheim-straße-997", "geheim-straÃ\u{9f}e-997"),
        ("geheim-straße-997", "eheim-straÃ\u{9f}e"),
        (
            "각각-wo-997",
            "\u{1100}\u{1161}\u{11a8}\u{1100}\u{1161}\u{11a8}-wo-997",
        ),
    ];
    for (secret, written) in cases {
        let redacted = secrets(&[secret]).redact(written);
        assert!(redacted.contains("***"), "{redacted}");
        assert!(
            !redacted.contains("wo") && !redacted.contains("997"),
            "{redacted}"
        );
    }
}

#[test]
fn what_is_invisible_in_a_secret_is_no_part_of_it() {
    for invisible in ['\u{a0}', '\u{ad}', '\u{81}', '\u{200b}'] {
        // With a space, so that it cannot be the name of a host.
        let secret = format!("pass{invisible}word 997");
        assert_eq!(secrets(&[&secret]).redact("password 997"), "***");
    }
}

#[test]
fn other_texts_stay_as_they_are() {
    assert_eq!(secrets(&["a"]).redact("a banana"), "a banana");
    assert_eq!(
        secrets(&["hunter2!"]).redact("got hunter3! at 100%\n"),
        "got hunter3! at 100%\n"
    );
    assert_eq!(Secrets::default().redact(ODD), ODD);
}

#[test]
fn redacting_twice_changes_nothing_and_no_form_is_left() {
    let fingerprints = [
        "ab", "%41", "\\n", "\"", "Zz9", " ", "\n", "é", "&amp;", "+", "''", "k",
    ];
    for seed in 0..400 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut draw = |most: usize| -> String {
            (0..dice.usize(..most))
                .map(|_| *dice.choice(&fingerprints).unwrap())
                .collect()
        };
        let value = format!("{}s3cret{}", draw(12), draw(12));
        let (before, after) = (draw(8), draw(8));
        let secrets = secrets(&[&value]);
        for written in encodings(&value) {
            let redacted = secrets.redact(&format!("{before} {written} {after}"));
            assert!(
                !redacted.contains(&written),
                "seed {seed}: {written} in {redacted}"
            );
            assert!(
                !redacted.to_lowercase().contains("s3cret"),
                "seed {seed}: {redacted}"
            );
            assert_eq!(secrets.redact(&redacted), redacted, "seed {seed}");
        }
    }
}

#[test]
fn debug_shows_no_secret() {
    let secrets = secrets(&["hunter2!", "second-one", "hunter2!"]);
    assert_eq!(format!("{secrets:?}"), "Secrets(2, redacted)");
}
