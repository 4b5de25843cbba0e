use std::net::SocketAddr;

use super::*;

const BUDGET: u64 = 64 << 10;

fn recorder(secrets: &[&str]) -> Arc<Recorder> {
    Recorder::new(Secrets::new(secrets.iter().copied()), BUDGET)
}

#[test]
fn a_text_that_fits_stays_as_it_is() {
    let recorder = recorder(&[]);
    assert_eq!(recorder.text(Section::Trail, "200 OK"), "200 OK");
    let usage = recorder.usage();
    assert_eq!((usage.bytes, usage.cut), (6 + TEXT_OVERHEAD, 0));
}

#[test]
fn a_plugin_cannot_hide_where_it_connects() {
    let recorder = recorder(&["secret.example"]);
    for learned in ["internal.example", "192.0.2.77", "a token"] {
        recorder.mask(learned).unwrap();
    }
    let address = SocketAddr::from(([192, 0, 2, 77], 80));
    assert_eq!(recorder.peer(address).to_string(), "192.0.2.77:80");
    assert_eq!(
        recorder.host(Section::Trail, "internal.example"),
        "internal.example"
    );
    assert_eq!(recorder.host(Section::Trail, "secret.example"), "***");
    assert_eq!(
        recorder.text(Section::Trail, "a token at internal.example"),
        "*** at ***"
    );
}

#[test]
fn a_long_text_is_cut_at_a_character_and_counted_and_keeps_no_memory() {
    let recorder = recorder(&[]);
    let text = recorder.text(Section::Trail, "ä".repeat(8 << 20));
    assert_eq!(text.chars().count(), MAX_TEXT / 2 + 1);
    assert!(text.ends_with('…'));
    assert!(String::from(text).capacity() <= MAX_TEXT + 8);
    let usage = recorder.usage();
    assert_eq!((usage.cut, usage.denied), (1, 0));
    assert_eq!(usage.cut_bytes, (16 << 20) - 4_096);
}

#[test]
fn texts_never_take_more_than_the_budget_and_the_conclusion_always_finds_room() {
    let recorder = recorder(&[]);
    let mut kept = 0;
    for part in [Section::Log, Section::Trail, Section::Verdict] {
        for _ in 0..100 {
            kept += recorder.text(part, "x".repeat(3_000)).len();
        }
        assert!(!recorder.admit(part, 1));
    }
    let summary = recorder.text(Section::Conclusion, "s".repeat(3_000));
    assert_eq!(summary.len(), 3_000);
    let usage = recorder.usage();
    assert!(
        usage.bytes <= BUDGET && u64::try_from(kept).unwrap() <= BUDGET,
        "{usage:?}"
    );
    assert!(usage.denied > 200 && usage.cut_bytes > 800_000, "{usage:?}");
}

#[test]
fn a_number_whose_digits_are_a_secret_is_none() {
    let recorder = recorder(&["4938172635", "8080", "100000", "99998"]);
    let entry = recorder.entry(Section::Verdict, MAX_TEXT);
    for secret in [4_938_172_635.0, -4_938_172_635.0, 4_938_172_635.5, 100_000.0] {
        assert!(entry.number(secret).is_nan(), "{secret}");
    }
    for other in [8_080.0, 99_998.0, 100_001.0, 4_938_172_636.0, 0.5] {
        assert_eq!(entry.number(other).to_bits(), other.to_bits());
    }
    assert!(entry.number(f64::INFINITY).is_infinite());
}

#[test]
fn empty_texts_and_entries_have_a_weight() {
    let recorder = recorder(&[]);
    let pairs = (0..100_000).map(|_| (String::new(), String::new())).collect();
    assert!(recorder.entry(Section::Log, MAX_TEXT).pairs(pairs).len() <= 256);
    let admitted = (0..100_000)
        .filter(|_| recorder.admit(Section::Trail, 100))
        .count();
    assert!(admitted < 640, "{admitted}");
}

#[test]
fn the_texts_of_an_entry_share_its_limit() {
    let recorder = recorder(&[]);
    let mut line = recorder.entry(Section::Log, MAX_TEXT);
    let message = line.text("m".repeat(3_000));
    let fields = line.pairs(vec![
        ("key".to_owned(), "v".repeat(2_000)),
        ("left".to_owned(), "out".to_owned()),
    ]);
    let values: usize = fields
        .iter()
        .map(|(key, value)| key.len() + value.trim_end_matches('…').len())
        .sum();
    assert_eq!((fields.len(), message.len() + values), (1, MAX_TEXT));
    assert_eq!(recorder.usage().cut_bytes, 2_000 - 1_093 + 7);
}

#[test]
fn an_attempt_that_is_tried_again_gives_back_its_log_and_its_verdict() {
    let recorder = recorder(&[]);
    let _log = recorder.text(Section::Log, "x".repeat(2_000));
    let _step = recorder.text(Section::Trail, "x".repeat(1_000));
    let _summary = recorder.text(Section::Conclusion, "x".repeat(1_000));
    recorder.reset_for_retry();
    assert_eq!(recorder.usage().bytes, 1_000 + TEXT_OVERHEAD);
}

#[test]
fn a_quota_of_nothing_records_nothing() {
    let recorder = Recorder::new(Secrets::default(), 0);
    assert_eq!(recorder.text(Section::Conclusion, "summary"), "…");
    assert!(!recorder.admit(Section::Trail, 1));
}

#[test]
fn a_secret_at_the_cut_is_masked_and_not_divided() {
    let recorder = recorder(&["cutsecret-0123456789-abcdef"]);
    for before in MAX_TEXT - 27..=MAX_TEXT {
        let text = format!("{}cutsecret-0123456789-abcdef", "p".repeat(before));
        let recorded = recorder.text(Section::Log, text);
        assert!(!recorded.contains("cut"), "{}", &recorded[before - 1..]);
    }
}

#[test]
fn an_address_that_is_a_secret_is_not_shown() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let cases = [
        ("127.0.0.77", "127.0.0.77:443", "***:443"),
        ("127.0.0.77:5432", "127.0.0.77:5432", "***:5432"),
        ("5432", "127.0.0.77:5432", "127.0.0.77:***"),
        ("2001:db8::1", "[2001:db8::1]:443", "***:443"),
        ("hunter2!", "[2001:db8::1]:443", "[2001:db8::1]:443"),
    ];
    for (secret, peer, shown) in cases {
        assert_eq!(recorder(&[secret]).peer(address(peer)).to_string(), shown);
    }
}
