use std::borrow::Cow;

use serde_json::Value;

use super::*;
use crate::expect::json::equality::same;
use crate::memory::OutOfMemory;

fn parse(text: &str) -> Result<Document<'_>, ReadError> {
    Document::parse(
        Cow::Borrowed(text),
        MemoryBudget::default().without(text.len()),
        &Effort::default(),
    )
}

fn written(document: &Document<'_>) -> String {
    let mut text = String::new();
    let written = document.root().write(|piece| {
        text.push_str(piece);
        Ok::<_, ()>(())
    });
    written.unwrap();
    text
}

const DOCUMENTS: [&str; 12] = [
    r#"{"a":[1,-2,3.5,"x",true,null,{}],"b":{"c":18446744073709551615},"d":2}"#,
    "[]",
    "{}",
    " [ [ ] , { } ] ",
    "\"\\u00e9\"",
    r#""\"\\\/\b\f\n\r\t\u0000\u001f\ud83d\ude00é""#,
    "\t-0.5E+10\r\n",
    "0",
    "-0",
    "[[[[[[]]]]]]",
    r#"{"":"","\n":[{"\u0061":false}]}"#,
    "null",
];

#[test]
fn it_reads_what_serde_json_reads() {
    for text in DOCUMENTS {
        let document = parse(text).unwrap();
        let expected: Value = serde_json::from_str(text).unwrap();
        let written = written(&document);
        assert_eq!(
            serde_json::from_str::<Value>(&written).unwrap(),
            expected,
            "{text}"
        );
        let again = parse(&written).unwrap();
        assert_eq!(same(document.root(), again.root(), &Effort::default()), Ok(true));
    }
}

#[test]
fn it_refuses_what_serde_json_refuses() {
    // Every text with one character added, removed or replaced.
    for text in DOCUMENTS {
        for (role, _) in text.char_indices() {
            let (before, after) = text.split_at(role);
            let rest: String = after.chars().skip(1).collect();
            for piece in [
                "", "\"", "\\", ",", ":", "[", "]", "{", "}", "0", "-", ".", "e", "u", " ", "\u{1}",
            ] {
                for changed in [
                    format!("{before}{piece}{after}"),
                    format!("{before}{piece}{rest}"),
                ] {
                    let expected = serde_json::from_str::<Value>(&changed);
                    // It rejects lone surrogates and numbers beyond a double, which RFC 8259 allows.
                    let is_half = expected.as_ref().is_err_and(|error| {
                        let error = error.to_string();
                        ["hex escape", "surrogate", "out of range"]
                            .iter()
                            .any(|words| error.contains(words))
                    });
                    if !is_half {
                        assert_eq!(parse(&changed).is_ok(), expected.is_ok(), "{changed}");
                    }
                }
            }
        }
    }
}

#[test]
fn numbers_of_any_size_are_read_as_they_are_written() {
    let digits = "9".repeat(100_000);
    for text in ["1e400", "1e-400", "-1E99999999999999999999", "1.0", &digits] {
        assert_eq!(written(&parse(text).unwrap()), text);
    }
}

#[test]
fn half_of_a_surrogate_pair_is_a_character_that_is_not_known() {
    for (text, expected) in [
        (r#""\ud800""#, "\u{fffd}"),
        (r#""a\udc00b""#, "a\u{fffd}b"),
        (r#""\ud800\u0041""#, "\u{fffd}A"),
        (r#""\ud83d\ude00""#, "😀"),
    ] {
        let document = parse(text).unwrap();
        let View::Text(text) = document.root().view() else {
            panic!("a text");
        };
        assert_eq!(
            (&*text.text(String::new()), text.count()),
            (expected, expected.chars().count())
        );
    }
}

#[test]
fn of_members_with_one_key_the_last_one_counts() {
    let document = parse(r#"{"a":[1,2],"b":3,"\u0061":4,"c":5,"a":6}"#).unwrap();
    assert_eq!(written(&document), r#"{"b":3,"c":5,"a":6}"#);
    assert_eq!(document.root().children().count(), 3);
    assert_eq!(document.root().descendants().count(), 4);
    assert_eq!(document.root().count(), 3);
}

#[test]
fn a_body_of_many_values_is_refused_before_it_fills_the_memory() {
    let objects = format!("[{}0]", "{\"a\":[]},".repeat(300_000));
    assert_eq!(parse(&objects).map(drop), Err(ReadError::TooLarge(OutOfMemory)));
    let numbers = format!("[{}0]", "0,".repeat(250_000));
    assert_eq!(parse(&numbers).unwrap().values(), 250_002);
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(parse(&nested(1_000)).unwrap().values(), 1_000);
    assert_eq!(parse(&nested(1_001)).map(drop), Err(ReadError::TooDeep));
    assert_eq!(parse(&"[".repeat(100_000)).map(drop), Err(ReadError::TooDeep));
}

#[test]
fn what_is_not_json_says_where() {
    for (text, expected) in [
        ("<html>", "expected a value at line 1 column 1"),
        ("{} x", "expected nothing more at line 1 column 4"),
        ("{\n  \"é\" 1}", "expected `:` at line 2 column 7"),
        ("{a:1}", "expected a key in double quotes at line 1 column 2"),
        ("[1 2]", "expected `,` or `]` at line 1 column 4"),
        ("[1,]", "expected a value at line 1 column 4"),
        ("[1.]", "expected a digit at line 1 column 4"),
        ("[01]", "expected `,` or `]` at line 1 column 3"),
        ("", "it ends too early"),
        ("[1,", "it ends too early"),
    ] {
        let refused = parse(text).map(drop).unwrap_err().to_string();
        assert_eq!(refused, format!("the body is not JSON: {expected}"), "{text}");
    }
}
