//! Decoding of each escape, and what is not an escape.

use std::iter::successors;

use super::*;
use crate::redact::decode::{DECODERS, Decoder, Escape, form, string, unescaped};

/// The canonical forms of a text after each level of such escapes.
fn levels(text: &str, escape: Escape) -> Vec<Vec<u8>> {
    let decode = |decoded: &DecodedText| unescaped(decoded, escape);
    let levels = successors(Some(DecodedText::new(text)), decode);
    levels.map(|decoded| decoded.canonical().0).collect()
}

/// The same after one level.
fn reads(text: &str) -> Vec<u8> {
    let mut levels = levels(text, string);
    levels.truncate(2);
    levels.pop().unwrap()
}

#[track_caller]
fn read(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let read = reads(text);
        assert_eq!(String::from_utf8_lossy(&read), *expected, "{text:?}");
    }
}

#[test]
fn escapes_of_urls_and_forms() {
    read(&[
        ("%41b", "ab"),
        ("%4g%6a", "%4gj"),
        ("%u1041b", "\u{1041}b"),
        ("%U1041b", "\u{1041}b"),
        ("%x0041", "%x0041"),
        ("%u004", "%u004"),
    ]);
    let of_url: [&[u8]; 3] = [b"a+%2525b%x", b"a+%25b%x", b"a+%b%x"];
    assert_eq!(levels("a+%2525b%x", string), of_url);
    assert_eq!(levels("+a", form), [&b"+a"[..], b"a"]);
    let of_form: [&[u8]; 3] = [b"a+%2525b%x", b"a%25b%x", b"a%b%x"];
    assert_eq!(levels("a+%2525b%x", form), of_form);
    let behind_escapes: [&[u8]; 3] = [br"a%2bu%5cu{b}c", b"a+uu{b}c", b"a+uc"];
    assert_eq!(levels(r"a%2Bu%5Cu{b}c", string), behind_escapes);
}

#[test]
fn escapes_of_strings() {
    for letter in "nrtabefv".chars() {
        read(&[(&format!("x\\{letter}y"), "xy")]);
    }
    read(&[
        (r"\x4a\x4b", "jk"),
        (r"\/\.", "/."),
        (r"\\n", "n"),
        (r"\qa", "qa"),
        ("%a\\\nb", "%ab"),
    ]);
    // A line continuation within another escape.
    assert_eq!(levels("%\\\n41", string).last().unwrap(), b"a");
    // A backslash before another letter escapes nothing, and what it divides is not an escape either.
    assert_eq!(levels(r"%4\c", string), [b"%4c"]);
}

#[test]
fn invisible_characters_in_an_escape_may_be_escaped_themselves() {
    let written = "s\\%\\\u{200b}4\\\u{200b}E997-14-2";
    assert_eq!(secrets(&["sN997-14-2"]).redact(written), "***");
}

#[test]
fn octal_escapes() {
    read(&[
        (r"\101", "a"),
        (r"\0101", "1"),
        (r"\08", "8"),
        (r"\400", "0"),
        (r"\303\274", "u"),
    ]);
    assert_eq!(reads(r"\377"), [255]);
}

#[test]
fn escapes_of_characters() {
    read(&[
        (r"\u1041", "\u{1041}"),
        (r"\ud83d\ude00!", "\u{1f600}!"),
        (r"\u{1f600}!", "\u{1f600}!"),
        (r"\u{0000061}", "a"),
        (r"\u{00000061}", "u{00000061}"),
        (r"\u{61x}", "u{61x}"),
        (r"\u:61}", "u:61}"),
        (r"\U10000061", "\u{1000}0061"),
        (r"\ud83d-ude00", "ud83d-ude00"),
        (r"\ud83dxude00", "ud83dxude00"),
    ]);
    assert_ne!(reads(r"\ud83d\xde00"), "\u{1f600}".as_bytes());
}

#[test]
fn entities() {
    read(&[
        ("a&quot;&apos;&nbsp;b", "ab"),
        ("&lt;&amp;&gt;", "<&>"),
        ("&CounterClockwiseContourIntegral;", "\u{2233}"),
        ("&excl;&dollar;&uuml;&NotEqualTilde;", "!$u\u{2242}"),
        ("&amp;lt;&amp;#97;", "&lt;&#97;"),
        ("&amp;other;&amp", "&other;&"),
        ("a&quotb&ltc&ampd&amp;lt", "ab<c&d&lt"),
        ("&notanyone;", "&notanyone;"),
        ("&other;", "&other;"),
        ("&#97;&#x62;&#X63;", "abc"),
        ("&#97&#x62-", "ab-"),
        ("&#000000097;", "a"),
        ("&#0000000097;", "7;"),
        ("&#;x", "&#;x"),
        ("&#x;x", "&#x;x"),
    ]);
}

/// The canonical forms of a text after the other decoders.
fn variants(text: &str) -> Vec<String> {
    let decoded = DecodedText::new(text);
    // The first decoder is that of strings.
    let others = DECODERS.iter().skip(1);
    let read = others.filter_map(|decoder| Some(decoder.apply(&decoded)?.canonical().0));
    read.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

#[test]
fn an_escape_of_a_url_or_of_html_that_was_escaped_again_is_read_at_once() {
    assert_eq!(variants("%2541"), ["a"]);
    assert_eq!(variants("%25254142"), ["a42"]);
    assert_eq!(variants("%4142x25"), ["a42x25"]);
    for rest in ["zz", "zab", "azz"] {
        assert_eq!(variants(&format!("%2525{rest}")), [format!("%{rest}")]);
    }
    assert_eq!(variants("&amp;amp;lt;"), ["<"]);
}

#[test]
fn escapes_of_mail_and_ldap() {
    assert_eq!(variants(r"=41\4b"), ["ak"]);
    assert_eq!(variants("%=\n41=\r\n42"), ["%4142"]);
    assert_eq!(variants("=41=\rxb"), ["a=xb"]);
    assert_eq!(variants("=?q?a_=62?="), ["=?q?a_b?=", "=?q?ab?="]);
    assert!(variants("nothing").is_empty());
}

#[test]
fn escapes_of_names_and_of_windows() {
    assert_eq!(variants(r"a\046b\256"), ["a.b256", "a6b%6"]);
    assert_eq!(variants(r"x\1a6y"), ["x6y"], "read as one of LDAP only");
    for letter in "0abefnrtv".chars() {
        assert_eq!(variants(&format!("x`{letter}y")), ["xy"]);
    }
    assert_eq!(variants("a^&b^^`n`$``%%"), ["a&b^$`%"]);
}

#[test]
fn lists_of_numbers() {
    // The second of each pair is the octal interpretation.
    assert_eq!(variants("x [104, 117, 110, 116] y"), ["x[hunt]y", "x[dohn]y"]);
    assert_eq!(variants("104\n  117\t110;116 8"), ["hunt", "dohn8"]);
    assert_eq!(variants("68-75-6e-74."), ["hunt."]);
    assert_eq!(variants("0x68,0X75,0x6E,0x74"), ["hunt"; 3]);
    assert_eq!(variants("-0x68,0x75,0x6e,0x74"), ["-hunt"; 3]);
    assert_eq!(variants("104,117,110,116 0x"), ["hunt0x", "dohn0x"]);
    assert_eq!(
        variants("104,117,110 of 116,104,117,110"),
        ["104,117,110ofthun", "104,117,110ofndoh"]
    );
    for no_text in ["1,2,3", "1,2,3,4", "104,117,1,2", "104,117,110"] {
        assert_eq!(variants(no_text), [""; 0]);
    }
    assert_eq!(variants("256,257,258,259"), [""; 0]);
    assert_eq!(variants("a4 v1 b5 x6"), [""; 0]);
    let between = " ".repeat(24);
    assert_eq!(variants(&["104"; 4].join(&between)), ["hhhh", "dddd"]);
    assert_eq!(variants(&["104"; 4].join(&format!("{between} "))), [""; 0]);
}

#[test]
fn a_list_with_signs_is_one_of_bytes() {
    let umlauts = secrets(&["pässwörd"]);
    for written in [
        "[112, -61, -92, 115, 115, 119, -61, -74, 114, 100]",
        "112,-61,-92,115,115,119,-61,-74,114,100",
    ] {
        let redacted = umlauts.redact(written);
        assert!(redacted.contains("***") && redacted.len() < 6, "{redacted}");
    }
    let redacted = secrets(&["ässwörd"]).redact("-61,-92,115,115,119,-61,-74,114,100");
    assert_eq!(redacted, "-***", "the sign is the first of the text");
    let hunter = secrets(&["hunt-er"]);
    assert_eq!(hunter.redact("104-117-110-116-45-101-114"), "***");
}

#[test]
fn an_escape_is_masked_with_all_its_bytes() {
    let secrets = secrets(&["s3cret-\u{1f600}-\u{fc}"]);
    for written in [
        r"s3cret-\ud83d\ude00-\u00fc",
        r"s3cret-\u{1f600}-\u{fc}",
        r"s3cret-\360\237\230\200-\303\274",
        "s3cret-&#128512;-&#xfc;",
        "s3cret-=F0=9F=\n=98=80-=C3=BC",
        "s3cret-=F0=9F=\r\n=98=80-=C3=BC",
    ] {
        assert_eq!(secrets.redact(&format!("<{written}>")), "<***>");
    }
}

/// The number of bytes of a text that a decoder of the whole text reads, without the gaps around them.
fn read_by(decoder: &Decoder, text: &str) -> Option<usize> {
    let decoded = decoder.apply(&DecodedText::new(text))?;
    Some(decoded.units().len() - 2)
}

#[test]
fn what_is_read_as_base64_or_hexadecimal_is_read_once() {
    let (base64, hexadecimal) = (
        STANDARD_NO_PAD.encode("correct-horse"),
        hex::encode("jklmnojklmno"),
    );
    assert_eq!(read_by(&Decoder::Base64, &base64), Some(13));
    assert_eq!(read_by(&Decoder::Hexadecimal, &hexadecimal), Some(12));
}

#[test]
fn what_is_read_as_hexadecimal_has_eight_characters_in_a_row() {
    for text in ["abcdefg\u{1}abcdefg", "äöüäöü"] {
        assert_eq!(
            read_by(&Decoder::Hexadecimal, &hex::encode(text)),
            None,
            "{text:?}"
        );
    }
}

#[test]
fn a_word_of_one_case_is_not_read_as_base64() {
    for text in ["jgajgajga", "aataauaav"] {
        let word = STANDARD.encode(text);
        assert!(
            word.len() >= 12 && word.chars().all(char::is_alphanumeric),
            "{word}"
        );
        assert_eq!(read_by(&Decoder::Base64, &word), None, "{word}");
    }
}
