//! Detection of the charset of a body.

mod attributes;
mod markup;

use canary_sdk::http::Response;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use markup::Markup;

/// How a body is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Determined by a byte order mark, the `content-type`, or the body itself.
    Known(&'static Encoding),
    /// Undeclared, and not UTF-8.
    Unknown,
}

/// The charset of a text: by its byte order mark, its `content-type`, a declaration in the page, or its bytes. JSON
/// is treated as JSON.
pub(super) fn of_text(response: &Response) -> Charset {
    let (body, declared) = (response.body.as_slice(), DeclaredType::from_response(response));
    if declared.is_json() {
        return of_json(response);
    }
    let markup = declared.markup().or_else(|| declared.undeclared_markup(body));
    marked(body)
        .or_else(|| declared.charset())
        .or_else(|| markup::declared(body, markup?))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| declared.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// The charset of JSON, which is UTF-8 whatever its type declares (RFC 8259, sections 8.1 and 11). Some servers send
/// UTF-16; if it is neither, the declared charset is used.
pub(super) fn of_json(response: &Response) -> Charset {
    let (body, declared) = (response.body.as_slice(), DeclaredType::from_response(response));
    marked(body)
        .or_else(|| by_zeros(body))
        .or_else(|| is_utf8(body).then_some(UTF_8))
        .or_else(|| declared.charset())
        .or_else(|| declared.is_text().then_some(WINDOWS_1252))
        .map_or(Charset::Unknown, Charset::Known)
}

/// The media type and charset that the `content-type` declares.
struct DeclaredType {
    /// In lower case, such as `text/html`; empty if nothing is declared.
    kind: String,
    parameters: String,
}

impl DeclaredType {
    fn from_response(response: &Response) -> Self {
        let content_type = response.header("content-type").unwrap_or_default();
        let (kind, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
        Self {
            kind: kind.trim().to_ascii_lowercase(),
            parameters: parameters.to_owned(),
        }
    }

    fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
    }

    fn is_json(&self) -> bool {
        self.kind == "application/json" || self.kind.ends_with("+json")
    }

    /// The language, if it is one that can declare a charset itself.
    fn markup(&self) -> Option<Markup> {
        match self.kind.as_str() {
            "text/html" => Some(Markup::Html),
            "application/xhtml+xml" => Some(Markup::Either),
            "text/xml" | "application/xml" => Some(Markup::Xml),
            other => other.ends_with("+xml").then_some(Markup::Xml),
        }
    }

    /// The language of a body without a type.
    fn undeclared_markup(&self, body: &[u8]) -> Option<Markup> {
        let is_markup = begins_with_tag(body) || markup::in_utf16(body).is_some();
        (self.kind.is_empty() && is_markup).then_some(Markup::Either)
    }

    fn charset(&self) -> Option<&'static Encoding> {
        let mut named = parameters(&self.parameters).filter_map(|parameter| parameter.split_once('='));
        let (_, label) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
        Encoding::for_label(unquoted(label.trim()).as_bytes())
    }
}

/// The value of a parameter without its quotes; within them, a backslash stands for the character behind it (RFC 9110,
/// section 5.6.4). Some servers use single quotes.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"') else {
        return value.trim_matches(['"', '\'']).to_owned();
    };
    let (mut text, mut characters) = (String::new(), quoted.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

/// The parameters of a type. A quoted value (RFC 9110, section 5.6.4) may contain `;`, and after a backslash a quote.
fn parameters(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped, mut begins_value) = (false, false, false);
    text.split(move |character: char| {
        if is_quoted {
            let was_escaped = std::mem::take(&mut is_escaped);
            is_escaped = character == '\\' && !was_escaped;
            is_quoted = character != '"' || was_escaped;
            return false;
        }
        is_quoted = character == '"' && begins_value;
        begins_value = character == '=' || begins_value && character.is_ascii_whitespace();
        character == ';'
    })
}

fn marked(body: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(body).map(|(encoding, _)| encoding)
}

/// A truncated body may end within a character.
fn is_utf8(body: &[u8]) -> bool {
    match str::from_utf8(body) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    }
}

/// The charset of JSON without a byte order mark; its first characters are ASCII.
fn by_zeros(body: &[u8]) -> Option<&'static Encoding> {
    match body {
        [0, high, ..] if *high != 0 => Some(UTF_16BE),
        [low, 0, ..] if *low != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// Whether it looks like HTML or XML.
fn begins_with_tag(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    matches!(start, [b'<', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'))
}

#[cfg(test)]
mod tests;
