//! Detects HTML pages and XML errors by content type and by their beginning.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// Elements that HTML pages begin with and XML responses do not.
const ELEMENTS: [&str; 33] = [
    "!doctype html",
    "html",
    "head",
    "body",
    "title",
    "meta",
    "link",
    "base",
    "script",
    "noscript",
    "style",
    "iframe",
    "frameset",
    "form",
    "input",
    "center",
    "div",
    "span",
    "p",
    "a",
    "b",
    "i",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "font",
    "table",
    "img",
    "ul",
    "nav",
    "main",
];
/// Root elements of XML errors.
const ERRORS: [&str; 4] = ["error", "errors", "errorresponse", "fault"];
/// Tags that identify an HTML page anywhere in it.
const CERTAIN: [&str; 5] = ["<!doctype html", "<html", "<head", "<body", "<script"];

/// Whether a response is an HTML page. Plain text is not, even with an HTML content type, such as Slack's `ok`.
pub(super) fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let has = |name, word| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.trim_ascii().to_ascii_lowercase().starts_with(word))
    };
    let is_said_to_be = has(CONTENT_TYPE, "text/html") || has(CONTENT_TYPE, "application/xhtml");
    if is_said_to_be
        && ["br", "zstd", "deflate", "compress"]
            .iter()
            .any(|coding| has(CONTENT_ENCODING, coding))
    {
        return !body.is_empty();
    }
    let text = lower(body);
    let Some(begin) = begin(&text) else {
        // An unterminated comment.
        return true;
    };
    begin.starts_with('<') && (begins_with(&ELEMENTS, begin) || CERTAIN.iter().any(|tag| begin.contains(tag)))
        || is_said_to_be && has_markup(begin)
}

/// Whether the root element of an XML response is an error.
pub(super) fn is_error(body: &[u8]) -> bool {
    begin(&lower(body)).is_some_and(|begin| begins_with(&ERRORS, begin))
}

/// The body in lower case; for UTF-16, only its ASCII characters.
fn lower(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(text(body)).to_ascii_lowercase();
    match body {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => text.replace(['\0', '\u{fffd}'], ""),
        _ => text,
    }
}

/// The body without leading white space and byte order mark.
pub(super) fn text(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii_start();
    body.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start()
}

/// The text after comments and declarations; `None` if one of them is unterminated.
fn begin(text: &str) -> Option<&str> {
    let mut rest = text.trim_ascii_start();
    loop {
        let (open, close) = match rest {
            _ if rest.starts_with("<!--") => ("<!--", "-->"),
            _ if rest.starts_with("<?") => ("<?", "?>"),
            _ => return Some(rest),
        };
        let (_, after) = rest.get(open.len()..)?.split_once(close)?;
        rest = after.trim_ascii_start();
    }
}

fn begins_with(elements: &[&str], begin: &str) -> bool {
    let Some(tag) = begin.strip_prefix('<') else {
        return false;
    };
    elements.iter().any(|element| {
        let after = tag.strip_prefix(element);
        after.is_some_and(|after| {
            !after.starts_with(|char: char| char.is_alphanumeric() || "-_:.".contains(char))
        })
    })
}

fn has_markup(text: &str) -> bool {
    let mut tags = text.split('<').skip(1);
    tags.any(|tag| tag.starts_with(|char: char| char.is_ascii_lowercase() || char == '!' || char == '/'))
}
