use std::borrow::Cow;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::*;
use crate::effort::Effort;
use crate::expect::json::document::Document;
use crate::memory::MemoryBudget;

const DOCUMENT: &str = r#"{"a":[{"b":1,"c":"x"},{"b":2.0,"c":"y","d":[1,[2,[3]]]},{"b":-1,"e":null}],"b":{"a":true,"b":[]},"c":"é😀","d":[0,1,2,3,4,5,"1",false,null],"e":{},"é":1}"#;

/// Everything that a path selects, as JSON, in order.
fn found(path: &str, document: &Document<'_>, effort: &Effort) -> Result<Vec<String>, Stop> {
    let path = Path::parse(path).map_err(|_| ()).unwrap();
    let mut found = Vec::new();
    Walk::through(document, effort).follow(&path, &mut |node| {
        found.push(String::from_utf8(node.start(usize::MAX)).unwrap());
        Ok(())
    })?;
    Ok(found)
}

fn parse(text: &str) -> Document<'_> {
    Document::parse(Cow::Borrowed(text), MemoryBudget::default(), &Effort::default()).unwrap()
}

fn all(path: &str, text: &str) -> Vec<String> {
    found(path, &parse(text), &Effort::default())
        .map_err(|_| path)
        .unwrap()
}

/// SplitMix64, so that every run uses the same paths.
struct Choice(u64);

impl Choice {
    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let place = (mixed ^ (mixed >> 31)) % u64::try_from(all.len()).unwrap();
        all[usize::try_from(place).unwrap()]
    }

    fn segments(&mut self, depth: usize) -> String {
        let mut text = String::new();
        while self.of(&["go on", "end"]) == "go on" {
            let simple = [
                ".a",
                ".b",
                ".c",
                ".d",
                "['é']",
                "[\"e\"]",
                "[0]",
                "[-1]",
                "[1:]",
                "[::-1]",
                "[-2::-2]",
                "[:3:2]",
                "[*]",
                ".*",
                "..b",
                "..*",
                "..[0]",
                "[0,1]",
                "['a','b',0]",
                "[1:3,0]",
                "..['a','d']",
                "filter",
            ];
            match self.of(&simple) {
                "filter" if depth < 3 => text.push_str(&format!("[?{}]", self.expression(depth + 1))),
                "filter" => {}
                simple => text.push_str(simple),
            }
        }
        text
    }

    fn expression(&mut self, depth: usize) -> String {
        match self.of(&["compare", "compare", "exists", "and", "or", "not", "parentheses"]) {
            "compare" => {
                // The library does not treat two absent values as equal under `<=`, contrary to RFC 9535.
                if self.of(&["limit", "other", "other"]) == "limit" {
                    return format!("{}{}1.5", self.operand(depth), self.of(&["<=", " >= "]));
                }
                let operator = self.of(&["==", "!=", "<", ">", " == ", " < "]);
                format!("{}{operator}{}", self.operand(depth), self.operand(depth))
            }
            "exists" => format!("{}{}", self.of(&["@", "@", "$"]), self.segments(depth)),
            "and" if depth < 3 => format!("{} && {}", self.expression(depth + 1), self.expression(depth + 1)),
            "or" if depth < 3 => format!("{}||{}", self.expression(depth + 1), self.expression(depth + 1)),
            "not" => format!("!({})", self.expression(depth + 1)),
            _ => format!("({})", self.expression(depth + 1)),
        }
    }

    fn operand(&mut self, depth: usize) -> String {
        let simple = [
            "1", "2", "-1", "1.0", "1e0", "0", "'x'", "\"y\"", "true", "false", "null", "''", "@", "@.b",
            "@.a", "@.c", "@[0]", "@.d[1]", "$.b", "$.d[1]", "$['é']", "@.e", "length", "count", "value",
        ];
        match self.of(&simple) {
            "length" => format!(
                "length({})",
                self.of(&["@", "@.c", "$.c", "'abc'", "$.d", "1", "@.nothing"])
            ),
            "count" => format!("count({}{})", self.of(&["@", "$"]), self.segments(depth + 1)),
            "value" => format!("value({}{})", self.of(&["@", "$"]), self.segments(depth + 1)),
            simple => simple.to_owned(),
        }
    }
}

/// The library is the reference. It compares numbers as doubles, which makes no difference here.
#[test]
fn paths_lead_where_those_of_serde_json_path_lead() {
    let value: Value = serde_json::from_str(DOCUMENT).unwrap();
    let document = parse(DOCUMENT);
    let mut choice = Choice(1);
    let mut compared = 0;
    for _ in 0..4_000 {
        let path = format!("${}", choice.segments(0));
        let expected = match JsonPath::parse(&path) {
            Ok(expected) => expected,
            Err(error) => panic!("{path}: {error}"),
        };
        let Ok(found) = found(&path, &document, &Effort::with_units(100_000_000)) else {
            continue;
        };
        let expected: Vec<_> = expected
            .query(&value)
            .all()
            .into_iter()
            .map(Value::to_string)
            .collect();
        let numbers = |texts: Vec<String>| -> Vec<Value> {
            texts
                .iter()
                .map(|text| serde_json::from_str(text).unwrap())
                .collect()
        };
        assert_eq!(numbers(found), numbers(expected), "{path}");
        compared += 1;
    }
    assert!(compared > 3_900, "{compared}");
}

#[test]
fn filters_compare_numbers_as_they_are_written() {
    for (path, text, expected) in [
        ("$[?@==9007199254740992]", "[9007199254740993]", vec![]),
        (
            "$[?@>9007199254740992]",
            "[9007199254740993]",
            vec!["9007199254740993"],
        ),
        ("$[?@==1e400]", "[1e400,1e401]", vec!["1e400"]),
        (
            "$[?@<1]",
            "[1e-400,0.99999999999999999999,1.0]",
            vec!["1e-400", "0.99999999999999999999"],
        ),
        ("$[?@==$[0]]", "[100,1e2,100.00,99]", vec!["100", "1e2", "100.00"]),
        (
            "$[?length(@)==2.0]",
            r#"["ab",[1,2],{"a":1}]"#,
            vec![r#""ab""#, "[1,2]"],
        ),
    ] {
        assert_eq!(all(path, text), expected, "{path}");
    }
}

#[test]
fn names_are_those_of_the_text_whatever_its_escapes() {
    assert_eq!(all(r"$['\u00e9\ud83d\ude00']", r#"{"é\ud83d\ude00":1}"#), ["1"]);
    assert_eq!(
        all(r#"$["\'"]"#.replace("\\'", "'").as_str(), r#"{"'":1}"#),
        ["1"]
    );
    assert_eq!(all("$ [ 'a' , 0 ]\n.b", r#"{"a":{"b":2}}"#), ["2"]);
}

fn refused(path: &str) -> String {
    Path::parse(path)
        .map(drop)
        .map_err(|error| error.message)
        .unwrap_err()
}

/// Other JSONPath parsers are recursive, and parse some levels twice.
#[test]
fn nesting_is_bounded_before_anything_is_read_twice() {
    for (open, inner, close) in [
        ("[?@", "[0]", "]"),
        ("(", "@.a", ")"),
        ("!(", "@.a", ")"),
        ("length(", "@.a", ")"),
        ("[?(@", ".a", ")]"),
        ("value(@[?", "@.a", "])"),
    ] {
        let nested = |depth: usize| {
            let inner = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            if open.starts_with("[?") {
                format!("${inner}")
            } else if open.ends_with("h(") {
                format!("$[?{inner}==1]")
            } else {
                format!("$[?{inner}]")
            }
        };
        assert!(
            refused(&nested(33)).contains("nested too deep: more than 32"),
            "{open}"
        );
        for depth in [150, 10_000] {
            assert!(refused(&nested(depth)).starts_with("not a JSONPath: "), "{open}");
        }
    }
    let filters = format!("${}[0]{}", "[?@".repeat(32), "]".repeat(32));
    assert_eq!(all(&filters, "[[[1]]]"), Vec::<String>::new());
    assert!(refused(&format!("${}", ".a".repeat(257))).contains("too long: more than 256 steps"));
}

#[test]
fn what_cannot_be_compared_says_so() {
    assert_eq!(
        refused("$[?@.* == 1]"),
        "not a JSONPath: syntax error at `@.* == 1]`, which may select several values and cannot be compared"
    );
    assert_eq!(
        refused("$[?length(@.a)]"),
        "not a JSONPath: syntax error at `length(@.a)]`, which must be compared with something"
    );
}

#[test]
fn a_path_that_visits_values_again_and_again_is_given_up() {
    let text = format!("[{}0]", "[[1]],".repeat(1_000));
    let document = parse(&text);
    let costs = |path: &str| found(path, &document, &Effort::with_units(2_000_000)).is_err();
    for path in ["$[*]", "$..*", "$..[?@ == 1]"] {
        assert!(!costs(path), "{path}");
    }
    for path in [
        "$[?$..a]",
        "$[*,*,*,*,*,*,*,*,*,*][*,*,*,*,*,*,*]",
        "$[?count($..*) == 1]",
    ] {
        assert!(costs(path), "{path}");
    }
}

#[test]
fn what_all_values_are_compared_with_is_read_once() {
    let values = vec!["1"; 1_000].join(",");
    for (max, path) in [
        (
            format!("\"{}\"", "é".repeat(100_000)),
            "$.values[?@ < length($.max)]",
        ),
        (
            format!("\"{}\"", "\\u00e9".repeat(20_000)),
            "$.values[?length($.max) > @]",
        ),
        ("9".repeat(100_000), "$.values[?@ < $.max]"),
    ] {
        let text = format!("{{\"max\":{max},\"values\":[{values}]}}");
        let document = parse(&text);
        let found = found(path, &document, &Effort::with_units(5_000_000));
        assert_eq!(found.map_err(drop).unwrap().len(), 1_000, "{path}");
    }
}

#[test]
fn what_is_walked_backwards_has_to_fit_the_memory() {
    let text = format!("[{}0]", "0,".repeat(1_000));
    let mut document = parse(&text);
    assert_eq!(
        found("$[::-1]", &document, &Effort::default())
            .map_err(drop)
            .unwrap()
            .len(),
        1_001
    );
    document.memory = MemoryBudget::with_bytes(1_000 * size_of::<super::super::document::Node<'_>>());
    let refused = found("$[::-1]", &document, &Effort::default());
    assert!(matches!(refused, Err(Stop::TooLarge)));
}

/// A path is decoded once: what looks like an escape in its text is not one.
#[test]
fn a_name_or_text_with_backslashes_selects_what_it_says() {
    let texts = [
        "a\nb",
        "a\\nb",
        "a\\\\nb",
        "\\",
        "\\\\",
        "\"",
        "\\\"",
        "A",
        "\\u0041",
        "😀",
        "\\ud83d\\ude00",
        "\u{1}",
        "a\\",
    ];
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut object = serde_json::Map::new();
    object.extend(texts.map(|text| (text.to_owned(), text.into())));
    let object = Value::Object(object).to_string();
    let list = serde_json::to_string(&texts).unwrap();
    for text in texts {
        let literal = quoted(text);
        let expected = [literal.clone()];
        assert_eq!(all(&format!("$[{literal}]"), &object), expected, "{text:?}");
        assert_eq!(all(&format!("$[?@ == {literal}]"), &list), expected, "{text:?}");
        let only = Value::Array(vec![serde_json::json!({ text: text })]).to_string();
        for other in texts {
            let found = all(&format!("$[?@[{}]]", quoted(other)), &only);
            assert_eq!(found.len(), usize::from(text == other), "{text:?} {other:?}");
        }
        let less = texts.iter().filter(|other| **other < text).count();
        assert_eq!(all(&format!("$[?@ < {literal}]"), &list).len(), less, "{text:?}");
    }
}
