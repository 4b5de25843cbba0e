use std::ops::Range;

use super::*;
use crate::effort::Effort;

fn compile(pattern: &str) -> Regex {
    let pattern = Pattern::from(pattern.to_owned());
    pattern.regex(Mode::Text, 1).unwrap()
}

fn found(pattern: &str, text: &str) -> Option<Range<usize>> {
    compile(pattern)
        .find(text.as_bytes(), &Effort::default())
        .unwrap()
}

#[test]
fn the_first_match_is_that_of_the_regex_crate() {
    let text = format!(
        "{}v12 é Größe: none\nError: a b-c_d 2024-01-02 ",
        " ".repeat(5_000)
    );
    for pattern in [
        "v[0-9]+",
        "(?m)^Error.*$",
        "(?m)none$",
        "^ ",
        "$",
        "",
        "none|one",
        "(?i)ERROR",
        r"\d{4}-\d{2}",
        "a.*?b",
        "a.*b",
        "x*",
        "é",
        "[^ ]+",
        r"(?-u:\b)one\b",
        "zz",
    ] {
        let expected = regex::bytes::Regex::new(pattern).unwrap();
        let expected = expected.find(text.as_bytes()).map(|found| found.range());
        let effort = Effort::default();
        let found = compile(pattern).find(text.as_bytes(), &effort).unwrap();
        assert_eq!(found, expected, "{pattern}");
    }
}

#[test]
fn words_are_found_beyond_ascii() {
    assert_eq!(found(r"\bGröße\b", "die Größe."), Some(4..11));
    assert_eq!(found(r"\bröße\b", "die Größe."), None);
    assert_eq!(found(r"\bone\b", "none one"), Some(5..8));
}

/// Patterns with word boundaries.
const WITH_WORDS: [&str; 25] = [
    r"\bone\b",
    r"\Bone\B",
    r"\bone",
    r"one\b",
    r"\b",
    r"\B",
    r"\b[a-z]{3}\b",
    r"\b\w+\b",
    r"\bé+",
    r"\b.\b",
    r"(?m)^\b",
    r"(?mR)\b$",
    r"(?m)\b$",
    r"(?i)\bONE\b",
    r"\b(?:two|one|on)\b",
    r"\b(?:on|one)",
    r"\bx*?\b",
    r"[^ ]\b",
    r"\b{start}one\b{end}",
    r"\b{start-half}e|\b{end-half}o",
    r"^\b|\b$",
    r"(?-u:\b)one\b",
    r"\bone\b.*\bone\b",
    r"\b(?-u:.)\b",
    r"\b(?s-u:.{2})\b",
];

/// The same patterns on texts that differ in one character: ASCII only, word characters, others, and invalid UTF-8.
#[test]
fn the_first_match_is_that_of_the_regex_crate_beyond_ascii() {
    let texts = [
        "é",
        "–",
        "\u{10000}",
        "東京",
        "\u{345}",
        "\u{200c}",
        "\r\n",
        "_",
        "",
        " ",
    ]
    .map(str::as_bytes);
    let parts: [&[u8]; 3] = [b"\xff", b"\xc3", b"\xe2\x82"];
    for pattern in WITH_WORDS {
        let expected = regex::bytes::Regex::new(pattern).unwrap();
        for before in texts.iter().chain(&parts) {
            for after in texts.iter().chain(&parts) {
                let text = [b"t\xc3\xa9wo ", *before, b"one", *after, b" one", *before].concat();
                let expected = expected.find(&text).map(|found| found.range());
                let found = compile(pattern).find(&text, &Effort::default()).unwrap();
                assert_eq!(
                    found,
                    expected,
                    "{pattern} in {:?}",
                    text.escape_ascii().to_string()
                );
            }
        }
    }
}

#[test]
fn everyday_patterns_with_words_are_affordable_in_pages_of_every_script() {
    let lines = [
        "<p>Die Lösung für größere Übungen ist in München verfügbar; Preis 12,50 € je Stück.</p>\n",
        "<p>東京都の天気は晴れです。気温は二十五度、湿度は六十パーセント。</p>\n",
        "<p>The quick brown fox — see below; 1234567890 99 AND 1000000 more</p>\n",
    ];
    for line in lines {
        // A quarter of the largest body, and of the time.
        let page = line.repeat((2 << 20) / line.len());
        let effort = Effort::with_units(100_000_000);
        for pattern in [r"\bpanic\b", r"(?i)\berror\b", r"\b[0-9]{3}\b", r"\bFATAL: \w+\b"] {
            let found = compile(pattern).find(page.as_bytes(), &effort);
            assert_eq!(found, Ok(None), "{pattern} {line}");
        }
    }
}

#[test]
fn what_costs_too_much_is_given_up() {
    let effort = Effort::with_units(1_000_000);
    let regex = compile("error.{0,200}failed");
    let text = "errore".repeat(100_000);
    assert!(regex.find(text.as_bytes(), &effort).is_err());
    assert!(
        regex.is_match(b"x", &effort).is_err(),
        "nothing is left for others"
    );
    let effort = Effort::with_units(1_000_000);
    let regex = compile(r"\bé+ü\b");
    assert!(regex.find("é".repeat(100_000).as_bytes(), &effort).is_err());
}

#[test]
fn a_large_page_is_affordable_for_many_patterns() {
    let page = "The quick brown fox jumps over the lazy dog, größer als 12.\n".repeat(20_000);
    let effort = Effort::default();
    for pattern in [
        "fox.*cat",
        r"\bcat\b",
        r"[0-9]{3}",
        "(?i)ERROR",
        r"\w+@\w+\.com",
        "lazy.{0,20}cat",
    ] {
        assert_eq!(
            compile(pattern).find(page.as_bytes(), &effort),
            Ok(None),
            "{pattern}"
        );
    }
}

#[test]
fn many_patterns_keep_little_memory_each() {
    let effort = Effort::default();
    let regex = compile("error.{0,50}failed");
    let text = "error e er ".repeat(2_000);
    assert_eq!(regex.find(text.as_bytes(), &effort), Ok(None));
    assert!(regex.kept() <= 256 << 10, "{}", regex.kept());
}
