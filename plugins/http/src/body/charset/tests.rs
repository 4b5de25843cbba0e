use canary_sdk::fake;

use super::*;
use crate::body;
use crate::effort::Effort;
use crate::memory::MemoryBudget;

fn answer(content_type: Option<&str>, body: &[u8]) -> Response {
    let headers = content_type.map(|kind| ("Content-Type".to_owned(), kind.as_bytes().to_vec()));
    Response {
        headers: headers.into_iter().collect(),
        body: body.to_vec(),
        ..fake::response(200)
    }
}

/// The body as the rules of `body` see it.
fn text(content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
    let response = answer(content_type, body);
    let text = body::text(&response, MemoryBudget::default(), &Effort::default());
    text.unwrap().bytes.into_owned()
}

/// The body as the rules of `json` see it.
fn json(content_type: Option<&str>, body: &[u8]) -> Vec<u8> {
    let response = answer(content_type, body);
    let text = body::json(&response, MemoryBudget::default(), &Effort::default());
    text.unwrap().bytes.into_owned()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const WORD: &str = "Größe";
const LATIN: &[u8] = b"Gr\xf6\xdfe";

#[test]
fn a_text_is_decoded_by_its_mark_its_header_or_itself() {
    let marked = [b"\xff\xfe".as_slice(), &utf16(WORD)].concat();
    for (content_type, body) in [
        (None, WORD.as_bytes()),
        (None, "\u{feff}Größe".as_bytes()),
        (Some("text/html; charset=iso-8859-1"), LATIN),
        (Some("text/html;Charset=\"ISO-8859-15\""), LATIN),
        (
            Some(r#"a/b; title="x;charset=koi8-r"; charset=windows-1252"#),
            LATIN,
        ),
        (
            Some(r#"a/b;a= "\";charset=koi8-r;"; charset="windows-1252""#),
            LATIN,
        ),
        (Some(r#"a/b;a=\";b=5";charset=windows-1252"#), LATIN),
        (Some(r#"text/html; charset="windows\-12\52""#), LATIN),
        (Some("text/html; charset='windows-1252'"), LATIN),
        (Some("text/html; charset=\"windows-1252"), LATIN),
        (Some("text/plain"), LATIN),
        (Some("text/plain; charset=utf-16le"), &utf16(WORD)),
        (Some("text/plain; charset=utf-8"), &marked),
    ] {
        assert_eq!(text(content_type, body), WORD.as_bytes(), "{content_type:?}");
    }
}

#[test]
fn html_and_xml_name_their_charset_and_nothing_else_does() {
    let page = b"<html><head><META charset='windows-1252'></head>Gr\xf6\xdfe";
    let document = b"<?xml version='1.0' encoding='iso-8859-1'?><a>Gr\xf6\xdfe";
    let of_page = ["text/html", "application/xhtml+xml", "Text/HTML ; v=1"];
    let of_document = ["text/xml", "application/xml", "image/svg+xml"];
    for markup in of_page {
        assert!(text(Some(markup), page).ends_with(WORD.as_bytes()), "{markup}");
    }
    for markup in of_page.into_iter().chain(of_document) {
        assert!(
            text(Some(markup), document).ends_with(WORD.as_bytes()),
            "{markup}"
        );
    }
    assert_eq!(text(Some("image/svg+xml"), page), page);
    for body in [page.as_slice(), document] {
        assert!(text(None, body).ends_with(WORD.as_bytes()));
    }
    let about_html = "how to write <meta charset=iso-8859-1>: Größe".as_bytes();
    for other in [Some("text/plain"), Some("application/javascript"), None] {
        assert_eq!(text(other, about_html), about_html, "{other:?}");
    }
}

#[test]
fn a_declaration_in_utf_16_needs_no_mark() {
    let document = "<?xml version='1.0' encoding='utf-16'?><a>Größe";
    let swapped: Vec<u8> = document.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for markup in [
        Some("text/html"),
        Some("text/xml"),
        Some("application/xhtml+xml"),
        None,
    ] {
        for body in [&utf16(document), &swapped] {
            assert_eq!(text(markup, body), document.as_bytes(), "{markup:?}");
        }
    }
    let body = utf16(document);
    assert_ne!(text(Some("text/plain"), &body), document.as_bytes());
}

#[test]
fn what_is_no_text_keeps_its_bytes() {
    let image = b"\x89PNG\x0d\x0a\xff";
    assert_eq!(text(Some("image/png"), image), image);
    assert_eq!(text(None, image), image);
}

#[test]
fn json_is_utf_8_whatever_its_type_says() {
    let document = r#"{"a":"Größe","b":"<meta charset=iso-8859-1>"}"#.as_bytes();
    for content_type in [
        None,
        Some("application/json"),
        Some("application/json; charset=us-ascii"),
        Some("application/json;charset=ISO-8859-1"),
        Some("application/problem+json; charset=utf-16"),
    ] {
        assert_eq!(json(content_type, document), document, "{content_type:?}");
        assert_eq!(text(content_type, document), document, "{content_type:?}");
    }
    // The rules look for JSON, whatever the type is.
    for content_type in ["text/html", "text/plain; charset=iso-8859-1"] {
        assert_eq!(json(Some(content_type), document), document, "{content_type}");
    }
}

#[test]
fn json_that_is_no_utf_8_is_what_it_is_said_to_be() {
    let document = [b"\"", LATIN, b"\""].concat();
    let expected = format!("\"{WORD}\"").into_bytes();
    for content_type in ["application/json; charset=iso-8859-1", "text/plain"] {
        assert_eq!(json(Some(content_type), &document), expected, "{content_type}");
    }
    assert_eq!(json(Some("application/json"), &document), document);
}

#[test]
fn json_in_utf_16_needs_no_mark() {
    let document = utf16("{\"a\":1}");
    for content_type in [None, Some("application/json; charset=utf-8")] {
        assert_eq!(json(content_type, &document), b"{\"a\":1}");
    }
    assert_eq!(text(Some("application/json"), &document), b"{\"a\":1}");
}
