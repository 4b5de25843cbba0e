//! Truncation, composition of secrets, and depth of escapes.

use super::*;

#[test]
fn a_secret_behind_the_cut_leaves_no_trace() {
    let secrets = secrets(&["cutsecret-0123456789"]);
    for before in 40..44 {
        let text = format!("{}cutsecret-0123456789", "p".repeat(before));
        assert_eq!(
            secrets.redact_truncated(&text, 40),
            format!("{}…", "p".repeat(40))
        );
    }
}

#[test]
fn a_secret_is_found_wherever_it_lies_in_a_long_text() {
    let secrets = secrets(&["0123456789abcdef"]);
    for split in 0..=16 {
        let text = format!("{}0123456789abcdef{}", " ".repeat(CHUNK - split), " ".repeat(100));
        assert!(secrets.contains_secret(&text), "{split}");
    }
    assert!(!secrets.contains_secret(&" ".repeat(2 * CHUNK)));
}

#[test]
fn the_begin_of_a_secret_is_known_where_somebody_else_cut_the_text() {
    let secrets = secrets(&["beginning-of-a-secret"]);
    for (before, after) in [
        ("(", ")"),
        ("[", "]"),
        ("`", "`"),
        ("", "."),
        ("([`", "`])."),
        ("", "…"),
    ] {
        for kept in ["beginnin", "beginning-o"] {
            let redacted = secrets.redact(&format!("got {before}{kept}{after}"));
            assert_eq!(redacted, format!("got {before}***{after}"));
        }
        let short = format!("got {before}beginni{after}");
        assert_eq!(secrets.redact(&short), short);
    }
    let marks = |before| format!("{}beginning… and so on", "x… ".repeat(before));
    assert!(secrets.redact(&marks(7)).contains("***"));
    assert!(
        !secrets.redact(&marks(8)).contains("***"),
        "eight cuts are looked at"
    );
}

#[test]
fn a_character_of_which_a_decoder_keeps_only_a_part_is_masked_as_a_whole() {
    // Both are kept without the other byte of `é`, which is too far from the escape.
    let (far, near) = (".".repeat(300), ".".repeat(16 * WINDOW - 12));
    let behind = secrets(&["bcdefghijklÃ"]).redact(&format!("%41{near}bcdefghijklé{far}"));
    assert_eq!(behind, format!("%41{near}***{far}"));
    let before = secrets(&["©bcdefghijkl"]).redact(&format!("{far}ébcdefghijkl{near}%41"));
    assert_eq!(before, format!("{far}***{near}%41"));
    let before_list =
        secrets(&["©bcdefghijkl"]).redact(&format!("{far}ébcdefghijkl{near}1,2,3,97,98,99,100"));
    assert_eq!(before_list, format!("{far}***{near}1,2,3,97,98,99,100"));
}

#[test]
fn the_end_of_a_chunk_is_no_cut() {
    let secrets = secrets(&["beginning-of-a-secret"]);
    let text = format!("{}beginnin! And so on.", ".".repeat(CHUNK + OVERLAP - 8));
    assert_eq!(secrets.redact(&text), text);
}

#[test]
fn what_is_far_from_an_escape_is_not_read_without_what_is_between() {
    let (near, far) = (".".repeat(16 * WINDOW - 9), ".".repeat(300));
    let text = format!("%41{near}abcdefghi{far}jklm-nopq{near}%41");
    assert_eq!(secrets(&["abcdefghijklm-nopq"]).redact(&text), text);
}

#[test]
fn secrets_that_touch_are_masked_as_one() {
    let secrets = secrets(&["first-secret", "other-secret"]);
    assert_eq!(secrets.redact("first-secretother-secret"), "***");
}

#[test]
fn a_secret_is_masked_however_deep_its_escapes_are() {
    let secret = "sec\nret\nwit\nh\na\nlot\nof\nthem";
    let mut written = secret.to_owned();
    let secrets = secrets(&[secret]);
    for level in 0..6 {
        assert_eq!(secrets.redact(&format!("<{written}>")), "<***>", "{level}");
        written = written.replace('\\', r"\\").replace('\n', r"\n");
    }
}

#[test]
fn a_secret_in_urls_or_html_is_masked_however_often_it_was_escaped() {
    let secret = "sec/ret&wit%h<a\"lot>of/them";
    let mut written = [secret.to_owned(), secret.to_owned()];
    let secrets = secrets(&[secret]);
    for _ in 0..9 {
        let [url, html] = written;
        let url = utf8_percent_encode(&url, NON_ALPHANUMERIC).to_string();
        let html = html_escape::encode_quoted_attribute(&html).into_owned();
        for text in [&url, &html] {
            assert_eq!(secrets.redact(&format!("<{text}>")), "<***>");
        }
        written = [url, html];
    }
}

#[test]
fn what_was_given_twice_is_one_secret_in_whatever_order() {
    assert_eq!(
        format!("{:?}", secrets(&["aaaa", "bbbb", "aaaa"])),
        "Secrets(2, redacted)"
    );
    let mut shared = SuiteSecrets::new(&SecretRegistry::default());
    let [a, b] = ["hunter2!", "hunter3!"].map(|value| Arc::new(Secret::new(value)));
    let one = shared.group(&[Arc::clone(&a), Arc::clone(&b)]);
    let two = shared.group(&[b, Arc::clone(&a), a]);
    assert!(Arc::ptr_eq(&one, &two));
    let [one, two] = [one, two].map(|part| shared.for_check(&[part]));
    assert!(Arc::ptr_eq(one.own.as_ref().unwrap(), two.own.as_ref().unwrap()));
}
