//! The charset that an HTML page or an XML document declares itself.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

use super::attributes::Attributes;

/// Bytes at the start of a document in which its charset is looked for, as browsers do.
const SEARCHED: usize = 1024;

/// The languages that can declare a charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    Html,
    /// XHTML, or a document whose type is not known.
    Either,
    Xml,
}

/// The charset that the document declares.
pub(super) fn declared(body: &[u8], markup: Markup) -> Option<&'static Encoding> {
    let start = body.get(..SEARCHED).unwrap_or(body);
    if let Some(found) = in_utf16(start) {
        return Some(found);
    }
    match markup {
        Markup::Html => in_elements(start).or_else(|| in_declaration(start)),
        Markup::Either => in_declaration(start).or_else(|| in_elements(start)),
        Markup::Xml => in_declaration(start),
    }
}

/// UTF-16, if a declaration begins in it: it needs no byte order mark (HTML standard, "prescan for UTF-16 XML
/// declarations"; XML 1.0, appendix F).
pub(super) fn in_utf16(body: &[u8]) -> Option<&'static Encoding> {
    if body.starts_with(b"<\0?\0x\0") {
        Some(UTF_16LE)
    } else {
        body.starts_with(b"\0<\0?\0x").then_some(UTF_16BE)
    }
}

/// The charset of an XML declaration, which can only be at the very start (XML 1.0, section 2.8).
fn in_declaration(start: &[u8]) -> Option<&'static Encoding> {
    let declaration = start.strip_prefix(b"<?xml")?;
    declaration.first().filter(|byte| byte.is_ascii_whitespace())?;
    // A declaration that does not end is none.
    let end = memchr::memchr(b'>', declaration)?;
    let mut attributes = Attributes::new(declaration.get(..=end)?);
    let named = attributes.by_ref().find(|(name, _)| name == b"encoding");
    encoding(&named?.1)
}

/// The charset of a `meta` element, found as the HTML standard says ("prescan a byte stream to determine its
/// encoding").
fn in_elements(start: &[u8]) -> Option<&'static Encoding> {
    let mut rest = start;
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = rest.get(at..)?;
        rest = if rest.starts_with(b"<!--") {
            // The dashes of `<!-->` are those of both ends.
            after(rest.get(2..)?, b"-->")?
        } else if let Some(attributes) = attributes_of_meta(rest) {
            let mut attributes = Attributes::new(attributes);
            if let Some(found) = of_meta(&mut attributes) {
                return Some(found);
            }
            attributes.rest()?
        } else if is_tag(rest) {
            let name = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
            let mut attributes = Attributes::new(rest.get(rest.iter().position(name)?..)?);
            attributes.by_ref().for_each(drop);
            attributes.rest()?
        } else if matches!(rest, [_, b'!' | b'/' | b'?', ..]) {
            after(rest, b">")?
        } else {
            rest.get(1..)?
        };
    }
    None
}

fn after<'b>(text: &'b [u8], end: &[u8]) -> Option<&'b [u8]> {
    text.get(memchr::memmem::find(text, end)? + end.len()..)
}

/// What follows the name of a `meta` element.
fn attributes_of_meta(tag: &[u8]) -> Option<&[u8]> {
    let (name, attributes) = tag.split_at_checked(b"<meta".len())?;
    let ends = |byte: &&u8| byte.is_ascii_whitespace() || **byte == b'/';
    (name.eq_ignore_ascii_case(b"<meta") && attributes.first().filter(ends).is_some()).then_some(attributes)
}

/// Whether a tag begins here, or ends an element.
fn is_tag(text: &[u8]) -> bool {
    matches!(text, [_, b'/', name, ..] | [_, name, ..] if name.is_ascii_alphabetic())
}

/// The charset of a `meta` element: in `charset`, or in `content` if its `http-equiv` says that it is a type.
fn of_meta(attributes: &mut Attributes<'_>) -> Option<&'static Encoding> {
    let (mut is_type, mut in_charset, mut in_content) = (false, None, None);
    let mut known: Vec<Vec<u8>> = Vec::new();
    for (name, value) in attributes.by_ref() {
        // Of attributes with one name the first one counts.
        if known.contains(&name) {
            continue;
        }
        match name.as_slice() {
            b"http-equiv" => is_type = value == b"content-type",
            b"content" => in_content = of_content(&value),
            b"charset" => in_charset = Some(encoding(&value)),
            _ => {}
        }
        known.push(name);
    }
    // A tag that does not end is none.
    attributes.rest()?;
    match in_charset {
        Some(charset) => charset,
        None => in_content.filter(|_| is_type),
    }
}

/// The charset of a type such as `text/html; charset=koi8-r` ("extracting a character encoding from a meta
/// element").
fn of_content(content: &[u8]) -> Option<&'static Encoding> {
    let mut rest = content;
    loop {
        rest = after(rest, b"charset")?.trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b"=") {
            return encoding(unquoted(value.trim_ascii_start())?);
        }
    }
}

/// The text between quotes, or up to a space or `;`; `None` if the quotes do not end.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    if let [quote @ (b'"' | b'\''), quoted @ ..] = value {
        return quoted.get(..memchr::memchr(*quote, quoted)?);
    }
    let end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
    value.get(..value.iter().position(end).unwrap_or(value.len()))
}

fn encoding(label: &[u8]) -> Option<&'static Encoding> {
    let named = Encoding::for_label(label)?;
    Some(if named == UTF_16LE || named == UTF_16BE {
        // A declaration in ASCII cannot be in UTF-16, whatever it says.
        UTF_8
    } else if named == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        named
    })
}

#[cfg(test)]
mod tests;
