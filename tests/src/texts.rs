//! Texts that are hard to write and to redact.
#![expect(clippy::unwrap_used, reason = "a text that cannot be made must fail its test")]

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Encoders that may change how a value looks.
pub const ODD: &str = "P@ss w\u{f6}rd<1>%41+\"quo\\te\"'s\tTop\nline two; $HOME & `x`=?#/";

/// Terminal control sequences, hidden and reordered text, ends of documents, and characters that XML does not allow.
pub const NASTY: &str = "a\x1b[2J\x1b]0;title\x07\u{9b}31m\x1b[8m\r\n::error::b\0\x08\x7f\u{85}\u{2028}\u{202e}\u{2066}\
    \u{200b}\u{feff}\u{fffe}\u{ffff}\u{e0041}]]><!--&amp;</testcase>\"'`{}\\# EOF\tend";

/// `value` as written by an encoder.
#[must_use]
pub fn encodings(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let debug = format!("{value:?}");
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let html = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let entities = value.chars().fold(String::new(), |mut text, char| {
        write!(text, "&#x{:x};", u32::from(char)).unwrap();
        text
    });
    let ascii = value.chars().fold(String::new(), |mut text, char| {
        for unit in char.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").unwrap();
        }
        text
    });
    vec![
        value.to_owned(),
        value.to_lowercase(),
        value.to_uppercase(),
        value.trim().to_owned(),
        value.replace('\n', "\r\n"),
        value.split_whitespace().collect::<Vec<_>>().join(" "),
        utf8_percent_encode(value, CONTROLS).to_string(),
        percent.to_lowercase(),
        utf8_percent_encode(&percent, NON_ALPHANUMERIC).to_string(),
        percent,
        form,
        serde_json::to_string(&json).unwrap(),
        json,
        format!("{debug:?}"),
        debug,
        ascii.replace("\\u", "%u"),
        ascii,
        html,
        entities.replace(';', ""),
        entities,
        value.escape_unicode().to_string(),
        value.escape_default().to_string(),
        value.as_bytes().escape_ascii().to_string(),
        shell(value),
        shell(&shell(value)),
        shell(&shell(value).replace('\'', "''")),
        format!("'{}'", value.replace('\'', "''")),
        format!("\"{}\"", value.replace('"', "\"\"")),
        STANDARD.encode(value),
        URL_SAFE.encode(value),
        hex::encode(value),
        hex::encode_upper(value),
        format!("{:?}", value.as_bytes()),
        format!("{:x?}", value.as_bytes()),
        format!("{:02X?}", value.as_bytes()),
        format!("{:#04x?}", value.as_bytes()).replace(",\n]", "]"),
        value.bytes().map(char::from).collect(),
        quoted_printable(value),
        html_escape::encode_text(value).into_owned(),
        named_entities(value),
        numbers(value, "[", " ", |byte| byte.to_string()),
        numbers(value, "", ", ", |byte| byte.cast_signed().to_string()),
        numbers(value, "", "-", |byte| format!("{byte:02X}")),
        numbers(value, "", ".", |byte| format!("{byte:02x}")),
        numbers(value, "{", ",\r\n\t\t", |byte| format!("0x{byte:x}")),
        numbers(value, "&#", ";&#", |byte| byte.to_string()),
        numbers(value, "\\", "\\", |byte| format!("{byte:03}")),
        value.split("").collect::<Vec<_>>().join("\u{200b}"),
        escaped(value, '^', "&<>|^"),
        escaped(value, '`', "$`\"'"),
        value.bytes().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        }),
    ]
}

/// As a shell quotes a value.
pub fn shell(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// The bytes of a value as a list of numbers.
#[must_use]
pub fn numbers(value: &str, before: &str, between: &str, show: impl Fn(u8) -> String) -> String {
    let shown: Vec<String> = value.bytes().map(show).collect();
    before.to_owned() + &shown.join(between)
}

/// With an escape character before some characters, as in `cmd` and PowerShell.
fn escaped(value: &str, sign: char, which: &str) -> String {
    let before = |char| which.contains(char).then_some(sign);
    value
        .chars()
        .flat_map(|char| before(char).into_iter().chain([char]))
        .collect()
}

/// With the names of HTML for what has one.
pub fn named_entities(value: &str) -> String {
    let names = html_escape::NAMED_ENTITIES;
    value.chars().fold(String::new(), |mut text, char| {
        let name = names.iter().find(|(_, shown)| shown.chars().eq([char]));
        match name {
            Some((name, _)) => write!(text, "&{};", str::from_utf8(name).unwrap()).unwrap(),
            None => text.push(char),
        }
        text
    })
}

fn quoted_printable(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b' '..=b'~' if byte != b'=' => text.push(char::from(byte)),
            _ => write!(text, "={byte:02X}").unwrap(),
        }
        text
    })
}
