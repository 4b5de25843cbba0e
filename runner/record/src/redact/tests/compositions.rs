//! Secrets after several encoders in a row, and texts without secrets.

use std::iter::repeat_with;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const SEEDS: u64 = 300;

type Encoder = (&'static str, fn(&str) -> String);

/// How a text is embedded in another one.
const ESCAPES: [Encoder; 24] = [
    ("url", |text| {
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
    }),
    ("url in lower case", |text| {
        each_byte(text, is_odd, |byte| format!("%{byte:02x}"))
    }),
    ("all of a url", |text| {
        each_byte(text, |_| true, |byte| format!("%{byte:02X}"))
    }),
    ("form", |text| {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
    }),
    ("json", |text| serde_json::to_string(text).unwrap()),
    ("json in ascii", |text| each_char(text, is_odd_char, utf16)),
    ("JSON in ascii", |text| {
        each_char(text, is_odd_char, utf16).replace("\\u", "\\U")
    }),
    ("rust", |text| format!("{text:?}")),
    ("rust in ascii", |text| text.escape_default().to_string()),
    ("python", |text| {
        each_char(text, is_odd_char, |char| format!("\\U{:08x}", u32::from(char)))
    }),
    ("c", |text| {
        each_byte(text, is_odd, |byte| format!("\\x{byte:02x}"))
    }),
    ("C", |text| {
        each_byte(text, is_odd, |byte| format!("\\X{byte:02X}"))
    }),
    ("octal", |text| {
        each_byte(text, is_odd, |byte| format!("\\{byte:03o}"))
    }),
    ("dns", |text| {
        each_byte(text, is_odd, |byte| format!("\\{byte:03}"))
    }),
    ("ldap", |text| {
        each_byte(text, is_odd, |byte| format!("\\{byte:02x}"))
    }),
    ("mail", |text| {
        each_byte(text, is_odd, |byte| format!("={byte:02X}"))
    }),
    ("shell", shell),
    ("backslashes", |text| {
        each_char(text, is_odd_char, |char| format!("\\{char}"))
    }),
    ("html", |text| html_escape::encode_safe(text).into_owned()),
    ("names of html", named_entities),
    ("numbers of html", |text| {
        each_char(text, is_odd_char, |char| format!("&#{};", u32::from(char)))
    }),
    ("hexadecimal html", |text| {
        each_char(text, |_| true, |char| format!("&#X{:X};", u32::from(char)))
    }),
    ("soft hyphens", |text| spread(text, '\u{ad}')),
    ("zero width", |text| spread(text, '\u{200b}')),
];

/// How a text is encoded as a whole.
const WHOLE: [Encoder; 12] = [
    ("base64", |text| STANDARD.encode(text)),
    ("base64 of a url", |text| {
        URL_SAFE_NO_PAD.encode(format!("user:{text}"))
    }),
    ("hexadecimal", |text| hex::encode(text)),
    ("HEXADECIMAL", |text| hex::encode_upper(text)),
    ("utf-16 in hexadecimal", |text| {
        hex::encode(utf16_bytes(text, u16::to_be_bytes))
    }),
    ("utf-16 in base64", |text| {
        STANDARD.encode(utf16_bytes(text, u16::to_le_bytes))
    }),
    ("a list", |text| format!("{:?}", text.as_bytes())),
    ("a list of go", |text| {
        numbers(text, "[", " ", |byte| byte.to_string())
    }),
    ("a list in hexadecimal", |text| {
        numbers(text, "", ":", |byte| format!("{byte:02x}"))
    }),
    ("a list in octal", |text| {
        numbers(text, "", " ", |byte| format!("{byte:03o}"))
    }),
    ("byte order marks", |text| spread(text, '\u{feff}')),
    ("directions", |text| spread(text, '\u{202e}')),
];

fn is_odd(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

fn is_odd_char(char: char) -> bool {
    !char.is_ascii_alphanumeric()
}

fn each_byte(text: &str, which: fn(u8) -> bool, write: fn(u8) -> String) -> String {
    let written = text.bytes().map(|byte| {
        if which(byte) {
            write(byte)
        } else {
            char::from(byte).to_string()
        }
    });
    written.collect()
}

fn each_char(text: &str, which: fn(char) -> bool, write: fn(char) -> String) -> String {
    let written = text.chars().map(|char| {
        if which(char) {
            write(char)
        } else {
            char.to_string()
        }
    });
    written.collect()
}

fn utf16(char: char) -> String {
    let units = char.encode_utf16(&mut [0; 2]).to_vec();
    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn utf16_bytes(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn spread(text: &str, between: char) -> String {
    let mut spread = String::new();
    for char in text.chars() {
        spread.extend([char, between]);
    }
    spread
}

fn draw_secret(dice: &mut fastrand::Rng) -> String {
    const ODD: &str = "+/=&%<>\"'\\ $@!?.:#_-;\u{e9}\u{f6}~^`|,()[]{}*\n\t";
    let odd: Vec<char> = ODD.chars().collect();
    let oddness = *dice.choice(&[0.0, 0.15, 0.3, 0.5]).unwrap();
    let length = dice.usize(12..32);
    let chars = repeat_with(|| {
        if dice.f64() < oddness {
            odd[dice.usize(..odd.len())]
        } else {
            dice.alphanumeric()
        }
    });
    // The ends show how much of it is left.
    format!("q{}z", chars.take(length).collect::<String>())
}

/// One to three encoders, whose names are shown if a test fails.
fn draw_encoders(dice: &mut fastrand::Rng) -> Vec<Encoder> {
    let depth = dice.usize(1..=3);
    let mut draw = || match dice.u8(..4) {
        0 => *dice.choice(&WHOLE).unwrap(),
        _ => *dice.choice(&ESCAPES).unwrap(),
    };
    (0..depth).map(|_| draw()).collect()
}

#[test]
fn a_secret_is_masked_whatever_it_was_encoded_by() {
    let mut shown = Vec::new();
    for seed in 0..SEEDS {
        let mut dice = fastrand::Rng::with_seed(seed);
        let secret = draw_secret(&mut dice);
        let encoders = draw_encoders(&mut dice);
        let cased = match dice.u8(..6) {
            0 => secret.to_uppercase(),
            1 => secret.to_lowercase(),
            _ => secret.clone(),
        };
        let written = encoders.iter().fold(cased, |text, (_, encode)| encode(&text));
        let redacted = secrets(&[&secret]).redact(&format!("before {written} after"));
        // Surrounding quotes stay, and characters with bits of something else.
        let kept = redacted.len() - "before *** after".len().min(redacted.len());
        if !redacted.contains(REDACTED) || kept > 32 + written.len() / 3 {
            let names: Vec<&str> = encoders.iter().map(|(name, _)| *name).collect();
            shown.push(format!(
                "seed {seed}, {names:?}: {secret:?} as {written:?} in {redacted:?}"
            ));
        }
    }
    assert!(
        shown.is_empty(),
        "{} of {SEEDS}:\n{}",
        shown.len(),
        shown.join("\n")
    );
}

#[test]
fn a_text_without_the_secret_stays_whatever_it_is_made_of() {
    const WORDS: [&str; 16] = [
        "connection",
        "refused",
        "200 OK",
        "https://host.example/a%20b?q=1&r=%C3%A9",
        "\\\"quoted\\\"",
        "&amp;",
        "[104, 117, 110, 116, 101, 114]",
        "7b22757365722e22",
        "dXNlcjpzb21lYm9keQ==",
        "\\u00e9",
        "=41=42",
        "C:\\new\\table",
        "0af7651916cd43dd8448eb211c80319c",
        "a+b",
        "`x^2`",
        "pa\u{200b}use",
    ];
    for seed in 0..300 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let values: Vec<String> = (0..8).map(|_| draw_secret(&mut dice)).collect();
        let secrets = Secrets::new(values.iter().map(String::as_str));
        let mut text = String::new();
        for _ in 0..dice.usize(1..40) {
            let word = *dice.choice(&WORDS).unwrap();
            let word = match dice.u8(..3) {
                0 => dice.choice(&ESCAPES).unwrap().1(word),
                1 => dice.choice(&WHOLE).unwrap().1(word),
                _ => word.to_owned(),
            };
            text += &format!("{word} ");
        }
        assert_eq!(secrets.redact(&text), text, "seed {seed}");
    }
}
