//! What each escape stands for, and what is none.

use super::*;

/// What is left of a text, in canonical form, when one level of escapes is decoded.
fn reads(text: &str) -> Vec<u8> {
    let reading = Reading::of(text);
    reading.decode().unwrap_or(reading).canonical().0
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
        ("a+b", "ab"),
    ]);
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
    // A line that goes on within another escape.
    let decoded = Reading::of("%\\\n41").decode().unwrap();
    assert_eq!(decoded.decode().unwrap().canonical().0, b"a");
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
        ("&other;", "&other;"),
        ("&#97;&#x62;&#X63;", "abc"),
        ("&#97&#x62-", "ab-"),
        ("&#000000097;", "a"),
        ("&#0000000097;", "7;"),
        ("&#;x", "&#;x"),
        ("&#x;x", "&#x;x"),
    ]);
}

#[test]
fn escapes_of_mail_and_ldap() {
    let variants = |text: &str| -> Vec<String> {
        let reading = Reading::of(text);
        let read = reading.variants().map(|variant| variant.canonical().0);
        read.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    };
    assert_eq!(variants(r"=41\42"), ["ab"]);
    assert_eq!(variants("%=\n41=\r\n42"), ["%4142"]);
    assert_eq!(variants("=41=\rxb"), ["a=xb"]);
    assert_eq!(variants("=?q?a_=62?="), ["=?q?a_b?=", "=?q?ab?="]);
    assert!(variants("nothing").is_empty());
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
