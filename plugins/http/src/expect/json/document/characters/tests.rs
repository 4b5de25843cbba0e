use std::hash::{DefaultHasher, Hasher as _};

use super::*;

/// Characters that mean something in an escape, or that are written as one.
const PIECES: [&str; 15] = [
    "\\",
    "\"",
    "'",
    "/",
    "b",
    "n",
    "u",
    "0",
    "\n",
    "\0",
    "é",
    "😀",
    "\u{fffd}",
    "\\u0041",
    "\\ud83d\\ude00",
];

/// Every text of up to two of the pieces.
fn texts() -> Vec<String> {
    let pairs = PIECES
        .iter()
        .flat_map(|one| PIECES.iter().map(move |other| format!("{one}{other}")));
    let single = PIECES.iter().map(|piece| (*piece).to_owned());
    [String::new()].into_iter().chain(single).chain(pairs).collect()
}

/// The JSON text between the quotes, with as few escapes as possible, and with nothing else.
fn escaped(text: &str) -> [String; 2] {
    let quoted = serde_json::to_string(text).unwrap();
    let few = quoted[1..quoted.len() - 1].to_owned();
    let all = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    [few, all.collect()]
}

/// A text and all the ways to write it.
struct Written {
    text: String,
    escaped: [String; 2],
}

impl Written {
    fn ways(&self) -> [Characters<'_>; 3] {
        let [few, all] = &self.escaped;
        [
            Characters::plain_text(&self.text),
            of_document(few),
            of_document(all),
        ]
    }
}

fn of_document(written: &str) -> Characters<'_> {
    Characters::new(written, written.contains('\\'))
}

fn hash(characters: Characters<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    characters.hash(&mut hasher);
    hasher.finish()
}

fn all_written() -> Vec<Written> {
    let written = |text: String| Written {
        escaped: escaped(&text),
        text,
    };
    texts().into_iter().map(written).collect()
}

#[test]
fn a_text_is_the_same_however_it_is_written() {
    for written in all_written() {
        let text = written.text.as_str();
        for way in written.ways() {
            assert_eq!(way.each().collect::<String>(), text, "{way:?}");
            assert_eq!(way.text(String::new()), text, "{way:?}");
            assert_eq!(way.count(), text.chars().count(), "{way:?}");
            assert_eq!(hash(way), hash(Characters::plain_text(text)), "{way:?}");
        }
    }
}

#[test]
fn texts_are_compared_as_what_they_mean_on_either_side() {
    let (all, effort) = (all_written(), Effort::unbounded());
    for one in &all {
        for other in &all {
            for way in one.ways() {
                for other_way in other.ways() {
                    let shown = || format!("{way:?} {other_way:?}");
                    let same = one.text == other.text;
                    assert_eq!(way.same(other_way, &effort), Ok(same), "{}", shown());
                    let order = one.text.cmp(&other.text);
                    assert_eq!(way.order(other_way, &effort), Ok(order), "{}", shown());
                }
            }
        }
    }
}
