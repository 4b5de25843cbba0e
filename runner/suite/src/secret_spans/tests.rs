//! What is hidden of a text, and what is not.

use super::*;

fn shown(text: &str) -> String {
    let spans = SecretSpans::of(text, &SecretKeys::default());
    let characters = text.char_indices();
    characters
        .map(|(offset, char)| if spans.is_hidden(offset) { '*' } else { char })
        .collect()
}

#[test]
fn secrets_are_hidden_and_what_clearly_follows_is_not() {
    for (text, expected) in [
        ("{ token: \"a, b: c\", x: 1 }", "{ token: \"*******\", x: 1 }"),
        ("{ token: a, b, x: 1 }", "{ token: ****, x: 1 }"),
        ("{ token: a } b, c: 1 }", "{ token: *****, c: 1 }"),
        ("{ token: [a, { b: c }], d: 1 }", "{ token: ********** }], d: 1 }"),
        ("{ token: ä, 'x': 1 }", "{ token: *, 'x': 1 }"),
        ("{ token: &a !!str 'a', x: 1 }", "{ token: ************, x: 1 }"),
        ("{\"token\":\"a\",\"x\":1}", "{\"token\":\"*\",\"x\":1}"),
        ("{ \"tok\\x65n\": a, x: 1 }", "{ \"tok\\x65n\": *, x: 1 }"),
        (
            "{ auth: a:b, x: { auth: { y: 1 } } }",
            "{ auth: ***, x: { auth: { y: 1 } } }",
        ),
        ("{ digest: \"sha256:a\", x: 1 }", "{ digest: \"sha256:a\", x: 1 }"),
        ("- token: a\n  b: 1\n- c: 2", "- token: *\n  b: 1\n- c: 2"),
        ("token: a\n  b: 1\nc: 2", "token: ********\nc: 2"),
        ("token: |\n  a\n b\nc: 2", "token: ********\nc: 2"),
        ("token:\n- a: 1\nc: 2", "token:\n******\nc: 2"),
        ("token:a", "token:*"),
        ("api key: a\nb: 1", "api key: *\nb: 1"),
        ("{ x: 1, $['token']: a, b: 1 }", "{ x: 1, $['token']: *, b: 1 }"),
        ("$.tokens[0]: a", "$.tokens[0]: *"),
        ("?x=1&token[]=a", "?x=1&token[]=*"),
        ("tok\u{200b}en: a", "tok\u{200b}en: *"),
        ("tcp://*.a.test:1", "tcp://*.a.test:1"),
        ("{ x\n: a, b: 1 }", "{ x\n: ******* }"),
        ("{ \"a\\\nb\": c, d: 1 }", "{ \"a\\\nb\": ******* }"),
        ("{ *a : b, c: 1 }", "{ *a : *, c: 1 }"),
        ("a:\n  - ::1", "a:\n  - ::1"),
        ("token a\nb: 1", "token *\nb: 1"),
        ("{ token => a, b: 1 }", "{ token =***, b: 1 }"),
        ("- token：a", "- token**"),
        ("basic_auth: [a, b]\nc: 1", "basic_auth: *****]\nc: 1"),
        (
            "basic_auth:\n  - a\n  - b\nc: 1",
            "basic_auth:\n  *********\nc: 1",
        ),
        ("? token\n: a\nb: 1", "? *********\nb: 1"),
        ("a: ?token=b, c", "a: ?token=****"),
        ("\"token\"\": a\nb: 1", "\"token\"*********"),
        ("{ \"token\" \"a\", b: 1 }", "{ \"token\" \"*\", b: 1 }"),
        (
            "{ a: [\"token\", \"b\"], c: 1 }",
            "{ a: [\"token\", \"b\"], c: 1 }",
        ),
        ("a:\n- \"token\"\n- \"b\"\nc: 1", "a:\n- \"token\"\n- \"b\"\nc: 1"),
        ("token:\nb: 1\nc: 2", "token:\n****\nc: 2"),
        ("{ token: , b: 1, c: 2 }", "{ token: ******, c: 2 }"),
        ("a:\n  token:\nb: 1", "a:\n  token:\nb: 1"),
        ("{ a: { token: }, b: 1 }", "{ a: { token: }, b: 1 }"),
        ("config: token a\nb: 1", "config: token *\nb: 1"),
        ("config: \"token a\"\nb: 1", "config: \"token **\nb: 1"),
        ("name: token a\nb: 1", "name: token a\nb: 1"),
        ("headers: token a\nb: 1", "headers: *******\nb: 1"),
        (
            "a: -----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nb: 1",
            "a: *******************************************************\nb: 1",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn in_doubt_a_secret_goes_on() {
    for text in [
        "{ token: \"a, x: 1 }",
        "{ token: [a, x: 1 }",
        "{ token: 'a'b, x: 1 }",
        "{ token: \"a\n\", x: 1 }",
    ] {
        assert!(!shown(text).contains('x'), "{}", shown(text));
    }
}

#[test]
fn in_the_settings_urls_and_headers_are_hidden() {
    for (text, expected) in [
        ("url: a\nb: 1", "url: *\nb: 1"),
        ("{ endpoint: !a, b: 1 }", "{ endpoint: **, b: 1 }"),
        (
            "{ headers: { a: b, c: !d }, e: 1 }",
            "{ headers: { a: *, c: ** }, e: 1 }",
        ),
        ("headers:\n  a: b\n  c: d\ne: 1", "headers:\n  a: *\n  c: *\ne: 1"),
        ("headers: [a, b]\nc: 1", "headers: *****]\nc: 1"),
        ("a: 'http://b/?c=d'\ne: 1", "a: 'http://b/?***'\ne: 1"),
        ("a: http://b:1/c", "a: http://b:1/c"),
    ] {
        let spans = SecretSpans::of(text, &SecretKeys::of_settings());
        let shown: String = text
            .char_indices()
            .map(|(at, char)| if spans.is_hidden(at) { '*' } else { char })
            .collect();
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn references_are_shown_as_they_are_no_secrets() {
    for (text, expected) in [
        ("token: ${env:A}", "token: ${env:A}"),
        ("token: '${TOKEN}'", "token: '${TOKEN}'"),
        ("token: 'a ${file:/b/c.d} e'", "token: '**${file:/b/c.d}**'"),
        ("token: a${b}c", "token: ******"),
        ("token: ${env:A:-b}", "token: ${env:A:-**"),
        ("x: ${TOKEN:-a}, b", "x: ${TOKEN:-a}, b"),
        ("x: ${env:TOKEN:-a}, b", "x: ${env:TOKEN:-a}, b"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn anchors_of_secrets_are_hidden_and_others_are_not() {
    let text = "a: &a b\nc: &c [ &d e ]\ntoken: *a";
    assert_eq!(shown(text), "a: &a *\nc: &c [ &d e ]\ntoken: **");
    let nested = "a: &a b\nc: &c [ *a ]\ntoken: *c";
    assert_eq!(shown(nested), "a: &a *\nc: &c **** ]\ntoken: **");
}

#[test]
fn a_key_is_secret_however_far_away_or_long_it_is() {
    for key in [
        format!("token{}", " ".repeat(1_000)),
        format!("\"token {}\"", "x ".repeat(500)),
        format!("token_{}", "x".repeat(1_000)),
    ] {
        let shown = shown(&format!("{{ {key}: a, b: 1 }}"));
        assert!(shown.ends_with("*, b: 1 }"), "{shown}");
    }
}

#[test]
fn a_text_with_too_many_secrets_is_hidden_as_a_whole() {
    for piece in ["{token: a},x: 1\n", "x: u:a@b\n", "x: 'u:a@b'\ntoken: a\n"] {
        let few = SecretSpans::of(&piece.repeat(1_000), &SecretKeys::default());
        assert!(!few.is_hidden(0), "{piece}");
        let many = SecretSpans::of(&piece.repeat(MAX_SPANS + 1), &SecretKeys::default());
        assert!(many.is_hidden(0) && many.hidden.len() == 1, "{piece}");
    }
    let references = format!("x: 1\ntoken: {}", "${env:A}a".repeat(1_001));
    let spans = SecretSpans::of(&references, &SecretKeys::default());
    assert!(spans.is_hidden(12) && !spans.is_hidden(0) && spans.hidden.len() == 1);
}

#[test]
fn the_time_to_find_secrets_of_the_settings_is_linear_too() {
    for piece in [
        "headers: { ",
        "headers: {}, ",
        "headers:\n",
        "{ headers: { a: b }, ",
        "a://?b ",
        "url: # a: ",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        let spans = SecretSpans::of(&text, &SecretKeys::of_settings());
        assert!(!spans.is_hidden(text.len()), "{piece}");
    }
}

/// It would take hours if each key searched the rest of the text.
#[test]
fn the_time_to_find_secrets_is_linear_in_the_size_of_a_text() {
    for piece in [
        "{token: ",
        "{token: 1, x: 1, ",
        "token: \"",
        "token: 'a', x: 'b', ",
        "x token: 'a' b\n",
        "token: [\n",
        "token:\n\n",
        "http://u:x ",
        "http://u:x@ ",
        "? \n",
        "token: &",
        "{!,\"token\": ",
        "{token: *a, x: &a b, ",
        "{",
        "token: ${env:",
        "auth: { ",
        "{auth: a, ",
        "auth:\n",
        "token: &",
        "&",
        "token: *",
        "a? {? ",
        "token: { a: '} ",
        ": ",
        "token ",
        "{token ",
        "a b ",
        "\n: ",
        "*a: ",
        "x? (a): ",
        "\"token\" ",
        "\"token\"\n",
        "{\"token\n",
        "token: # a: b ",
        "{token: # a: b, ",
        "token: ,",
        "headers: { ",
        "headers: {}, ",
        "config: \"",
        "PRIVATE KEY ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "PuTTY-User-Key-File",
        "a://?b ",
    ] {
        let text = piece.repeat((4 << 20) / piece.len());
        let spans = SecretSpans::of(&text, &SecretKeys::default());
        assert!(!spans.is_hidden(text.len()), "{piece}");
    }
}
