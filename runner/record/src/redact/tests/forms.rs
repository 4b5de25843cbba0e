//! Which parts of a secret are recognised by themselves, and which are too short for that.

use super::*;

#[track_caller]
fn masked(cases: &[(&str, &str)]) {
    for (secret, text) in cases {
        let redacted = secrets(&[secret]).redact(&format!("<{text}>"));
        assert_eq!(redacted, "<***>", "{text:?} of {secret:?}");
    }
}

#[track_caller]
fn stay(cases: &[(&str, &str)]) {
    for (secret, text) in cases {
        assert_eq!(secrets(&[secret]).redact(text), *text, "of {secret:?}");
    }
}

#[test]
fn a_value_has_four_bytes_at_least() {
    masked(&[("abcd", "abcd"), ("a b c", "a b c"), ("a b c", "abc")]);
    for text in [r"a+b\u{17}c", r"a+b\\u{17}c", "a%2Bb%5Cu{17}c"] {
        masked(&[("a+b\u{17}c", text)]);
    }
    assert_eq!(secrets(&["1234", "5678"]).redact("1234 or 5678"), "*** or ***");
    stay(&[("abc", "abc"), ("%41%42", "crab"), ("%41%42%43", "abc")]);
    stay(&[("abc", "616263"), ("a\n\n\n", "61"), ("    ", "a text")]);
}

#[test]
fn up_to_three_levels_of_the_escapes_of_a_value_are_undone() {
    masked(&[("pa%25252Fth-997", "pa/th-997")]);
    stay(&[("pa%2525252Fth-997", "pa/th-997")]);
}

#[test]
fn blanks_around_a_value_are_not_part_of_its_encodings() {
    let text = hex::encode("abcd");
    masked(&[(" abcd\n", &text), ("\tabcd", &text)]);
}

#[test]
fn the_armour_of_a_key_is_no_secret_unless_there_is_nothing_else() {
    let armour = "-----BEGIN KEY-----";
    stay(&[
        ("-----BEGIN KEY-----\n12345678\n-----END KEY-----", armour),
        ("  -----BEGIN KEY-----\n  123456789\n  -----END KEY-----", armour),
        (
            "-----BEGIN X509 KEY-----\n12345678\n-----END X509 KEY-----",
            "-----BEGIN X509 KEY-----",
        ),
        ("-----BEGIN\nfirst-line-x", "-----BEGIN"),
        ("-----BEGIN TRUNCATED\nfirst-line-x", "-----BEGIN TRUNCATED"),
    ]);
    masked(&[
        ("-----OTHER LINE-----\nfirst-line-x", "-----OTHER LINE-----"),
        ("-----BEGIN of-a-secret\nfirst-line-x", "-----BEGIN of-a-secret"),
        (armour, armour),
        ("-----BEGIN KEY-----\n12345678\n-----END KEY-----\nx", armour),
        ("-----BEGIN KEY-----\n1234567\n-----END KEY-----", armour),
        ("-----BEGIN KEY-----\n1234567  \n-----END KEY-----", armour),
    ]);
}

#[test]
fn what_is_between_armour_is_known_however_little_it_is() {
    for secret in [
        "one-7ab\n-----BEGIN KEY-----\ntwo-7ab",
        "one-8abc\n-----BEGIN KEY-----\ntwo-8abc",
        "one\n-----END KEY-----\n-----BEGIN KEY-----\ntwo-and-three",
        "r[iz\n\n-----\n\n]\u{1}x",
        "\u{2066}r[iz\n-----\n]\u{1}",
        "-----\nBEGIN",
    ] {
        for text in [
            secret.to_owned(),
            secret.replace('\n', "\r\n"),
            format!("{secret:?}"),
        ] {
            let redacted = secrets(&[secret]).redact(&text);
            assert!(redacted.contains("***"), "{redacted}");
            for word in ["one", "two", "iz"] {
                assert!(!redacted.contains(word), "{redacted}");
            }
        }
    }
}

#[test]
fn a_backslash_in_front_of_an_escape_hides_nothing() {
    let secret = r"f\uDDq";
    let redacted = secrets(&[secret]).redact(r"D\f%5CuDDq");
    assert_eq!(redacted, r"D\***");
}

#[test]
fn what_follows_an_escape_is_not_a_part_of_it() {
    let percent = secrets(&["q%%uq#%"]).redact("1q%25%25uq%23%2524op");
    assert_eq!(percent, "1***24op");
    let entity = secrets(&["q&ua&"]).redact("1q&amp;ua&amp;lt;op");
    assert_eq!(entity, "1***lt;op");
}

#[test]
fn base64_in_a_url_is_known_whichever_of_its_signs_are_escaped() {
    let secret = "??>>~~pass>>word??";
    let encoded = STANDARD.encode(secret);
    assert!(encoded.contains('+') && encoded.contains('/'), "{encoded}");
    masked(&[
        (secret, &encoded.replace('/', "%2F")),
        (secret, &encoded.replace('+', "%2B")),
    ]);
}

#[test]
fn a_line_of_eight_bytes_is_known_by_itself() {
    masked(&[
        ("first-line-x\nsecond-8", "second-8"),
        ("first-line-x\n second-l9", "second-l9"),
    ]);
    stay(&[
        ("first-line-x\nsecond7", "second7"),
        ("first: line\nsecond: 12345678", "12345678"),
    ]);
}

#[test]
fn a_word_of_eight_bytes_behind_a_scheme_is_known_by_itself() {
    masked(&[
        ("Bearer 12345678", "12345678"),
        ("Bearer 123456789 \n", "123456789"),
        ("user:pass?word12", "pass?word12"),
    ]);
    stay(&[("Bearer 1234567", "1234567")]);
}

#[test]
fn parts_of_a_url_are_known_by_themselves() {
    masked(&[
        ("https://host.example/1234567", "/1234567"),
        ("https://host.example/12345678", "/12345678"),
        ("https://host.example/?12345678", "12345678"),
        ("https://host.example/?123456789", "123456789"),
        ("https://user:abcd@host.example/", "abcd"),
        ("HTTPS://Host.Example:443/a b", "https://host.example/a%20b"),
    ]);
    stay(&[
        ("https://host.example/123456", "/123456"),
        ("https://host.example/?1234567", "1234567"),
        ("https://user:abc@host.example/", "abc"),
    ]);
}

#[test]
fn a_value_is_known_as_a_path_and_what_comes_behind_that() {
    masked(&[
        (r"a\bc", "a/bc"),
        (r"ab\cd", "ab/cd"),
        (r"abcd\efg?rest", "abcd/efg"),
        (r"abcd\efgh#rest", "abcd/efgh"),
        (r"x\y?12345678", "12345678"),
        (r"x\y#123456789", "123456789"),
    ]);
    stay(&[
        (r"abc\d?rest-of-it", "abc/d"),
        (r"abc\d#rest-of-it", "abc/d"),
        (r"abc\efg?rest-of-it", "abc/efg"),
        (r"x\y?1234567", "1234567"),
    ]);
}

#[test]
fn a_short_password_in_encoded_credentials_is_known_by_itself() {
    for password in ["S3cr", "S3cr3"] {
        let credentials = format!("canary:{password}");
        let base64 = STANDARD.encode(&credentials);
        masked(&[
            (&base64, password),
            (&format!("Basic {base64}\n"), password),
            (&hex::encode(&credentials), password),
        ]);
    }
    masked(&[(&STANDARD.encode("abcd"), "abcd")]);
    stay(&[
        (&STANDARD.encode("canary:abc"), "abc"),
        (&STANDARD.encode("line\nline2345"), "lineline2345"),
    ]);
}

#[test]
fn a_value_is_known_in_base64_and_hexadecimal_whatever_it_was_escaped_as_before() {
    let secret = r#"Pä ss/w%or"d+Mo<re=="#;
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let wide = |bytes: fn(u16) -> [u8; 2]| secret.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let json = serde_json::Value::from(secret).to_string();
    for spelled in [
        secret.as_bytes(),
        form.as_bytes(),
        form.replace('+', "%20").as_bytes(),
        json.as_bytes(),
        html_escape::encode_safe(secret).as_bytes(),
        STANDARD.encode(secret).as_bytes(),
        &wide(u16::to_le_bytes),
        &wide(u16::to_be_bytes),
        &secret
            .chars()
            .map(|char| u8::try_from(char).unwrap())
            .collect::<Vec<u8>>(),
    ] {
        for user in ["", "a", "id", "id:"] {
            let credentials = [user.as_bytes(), spelled].concat();
            for text in [
                STANDARD.encode(&credentials),
                URL_SAFE.encode(&credentials),
                hex::encode(&credentials),
            ] {
                let redacted = secrets(&[secret]).redact(&text);
                // Characters with bits of the surrounding text stay.
                assert!(redacted.contains("***"), "{text}");
                assert!(redacted.len() <= 3 + 2 * user.len() + 8, "{redacted}");
            }
        }
    }
}

#[test]
fn an_escaped_value_is_known_in_the_shortest_base64_and_hexadecimal_and_by_all_of_their_digits() {
    masked(&[
        ("abcd", STANDARD_NO_PAD.encode("ab%63%64").as_str()),
        ("abcd", hex::encode("ab%63%64").as_str()),
    ]);
    let (value, escaped) = ("ab~cd?ef~gh?", "ab~cd?ef~%67h?");
    for encoded in [STANDARD.encode(escaped), URL_SAFE.encode(escaped)] {
        masked(&[(value, encoded.trim_end_matches('='))]);
    }
}

#[test]
fn an_escaped_value_is_known_behind_other_digits_and_in_two_lines() {
    let (value, escaped) = ("abcd", "ab%63%64");
    let (base64, hexadecimal) = (STANDARD_NO_PAD.encode(escaped), hex::encode(escaped));
    for before in ["", "x", "xy", "xyz"] {
        let redacted = secrets(&[value]).redact(&format!("{before}{base64}"));
        assert_eq!(redacted, format!("{before}***"));
    }
    assert_eq!(secrets(&[value]).redact(&format!("f{hexadecimal}")), "f***");
    for line_break in ["\n", "\r\n"] {
        let (first, second) = base64.split_at(5);
        masked(&[(value, &format!("{first}{line_break}{second}"))]);
    }
}

#[test]
fn an_escaped_value_in_base64_is_masked_with_its_digits_only() {
    let written = ["abcdefghi", "%73%33%63%72", "jklmnopqr"].map(|part| STANDARD.encode(part));
    let [before, _, behind] = &written;
    let redacted = secrets(&["s3cr"]).redact(&written.concat());
    assert_eq!(redacted, format!("{before}***{behind}"));
}

#[test]
fn an_escaped_value_is_known_among_bytes_that_are_no_text() {
    let (value, escaped) = ("s3cr", "%73%33%63%72");
    let cases: [(&[u8], &[u8]); 5] = [
        (b"\xff", b""),
        // Preceded by another text.
        (b"abcdefgh\x01", b""),
        // A single zero does not make it UTF-16.
        (b"", b"abcdefgh\0"),
        (b"", b"abc\0"),
        (b"", b"\0\0\0\0"),
    ];
    for (before, behind) in cases {
        let written = hex::encode([before, escaped.as_bytes(), behind].concat());
        let expected = format!("{}***{}", hex::encode(before), hex::encode(behind));
        assert_eq!(secrets(&[value]).redact(&written), expected);
    }
    for between in ['\t', '\n', '\r'] {
        let written = hex::encode(format!("ab{between}c%64ef"));
        masked(&[(&format!("ab{between}cdef"), &written)]);
    }
}

#[test]
fn texts_that_are_encoded_apart_are_not_read_as_one() {
    let redacted = secrets(&["abcdefghijklmnop"]).redact("6162636465666768,696a6b6c6d6e6f70");
    assert_eq!(redacted, "***,***");
}

#[test]
fn an_escaped_value_in_utf16_is_known_if_a_quarter_of_its_characters_is_ascii() {
    let bytes = "пароль-пароль%41".encode_utf16().flat_map(u16::to_le_bytes);
    let written = hex::encode(bytes.collect::<Vec<u8>>());
    masked(&[("пароль-парольA", &written)]);
}

#[test]
fn a_value_of_which_little_is_ascii_is_known_in_other_charsets() {
    let (cyrillic, french) = ("ключ-от-всех-дверей", "éèêëàâäîïôöüç");
    let wide = |bytes: fn(u16) -> [u8; 2]| cyrillic.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let narrow: Vec<u8> = french.chars().map(|char| u8::try_from(char).unwrap()).collect();
    for (secret, bytes) in [
        (cyrillic, wide(u16::to_le_bytes)),
        (cyrillic, wide(u16::to_be_bytes)),
        (french, narrow),
    ] {
        masked(&[(secret, &hex::encode(&bytes))]);
        let redacted = secrets(&[secret]).redact(STANDARD.encode(&bytes).trim_end_matches('='));
        assert!(redacted.contains("***") && redacted.len() < 6, "{redacted}");
    }
}

#[test]
fn a_value_in_utf16_is_masked_in_its_place_behind_characters_of_two_units() {
    let utf16 = |text: &str| {
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
        hex::encode(bytes.collect::<Vec<u8>>())
    };
    let keys = utf16("\u{1f511}\u{1f511}\u{1f511}");
    let written = keys.clone() + &utf16("%73%33%63%72");
    assert_eq!(secrets(&["s3cr"]).redact(&written), keys + "***");
}

#[test]
fn a_list_of_octal_numbers_is_read() {
    let secret = "correct-Horse";
    let dump = |format: fn(u8) -> String| secret.bytes().map(format).collect::<Vec<_>>().join(" ");
    for text in [
        dump(|byte| format!("{byte:03o}")),
        dump(|byte| format!("{byte:#o},")),
    ] {
        assert_eq!(
            secrets(&[secret]).redact(&format!("<{text}>")).replace(',', ""),
            "<***>",
            "{text}"
        );
    }
}

#[test]
fn rows_of_one_sign_are_masked_only_where_they_touch_something_of_a_secret() {
    let row = "-".repeat(20);
    let secret = format!("first-part{row}other-part");
    stay(&[(&secret, &format!("{row} a title {row}"))]);
    masked(&[(&secret, &secret), (&secret, "------other-")]);
    let touching = format!("abcdefghijkl{}", "-".repeat(12));
    assert_eq!(secrets(&["abcdefghijkl", &secret]).redact(&touching), "***");
}

#[test]
fn a_secret_of_two_signs_that_is_no_longer_than_a_window_is_masked() {
    masked(&[("-=-=-=-=-=-=", "-=-=-=-=-=-="), ("000000000000", "000000000000")]);
}

#[test]
fn a_letter_that_is_not_ascii_ends_a_list_of_numbers() {
    stay(&[("hunt", "104 117 110 116\u{e9}")]);
    masked(&[
        ("hunt", "104 117 110 116"),
        ("hunt", STANDARD.encode("104,117,110,116").as_str()),
    ]);
}
