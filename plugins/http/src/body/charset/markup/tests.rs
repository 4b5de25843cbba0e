use encoding_rs::{KOI8_R, WINDOWS_1251};

use super::*;

fn of_html(page: &str) -> Option<&'static str> {
    declared(page.as_bytes(), Markup::Html).map(Encoding::name)
}

fn of_xml(document: &str) -> Option<&'static str> {
    declared(document.as_bytes(), Markup::Xml).map(Encoding::name)
}

#[test]
fn a_page_declares_its_charset_in_a_meta_element() {
    for page in [
        "<meta charset=windows-1251>",
        "<META/CHARSET='Windows-1251'/>",
        "<!DOCTYPE html>\n<html lang=ru>\n<head><meta charset = \"windows-1251\" >",
        "<meta name=x charset=\" cp1251 \">",
        "<meta charset=windows-1251 charset=koi8-r>",
        "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>",
        "<meta content='text/html; charset = \"windows-1251\"; a' http-equiv=\"content-type\">",
        "<meta content='charset; charset=windows-1251;x' http-equiv=content-type>",
        "<meta content='charset=koi8-r' http-equiv=content-type charset=windows-1251>",
        "<?xml version='1.0' encoding='koi8-r'?><meta charset=windows-1251>",
        "<?xml version='1.0' encoding='windows-1251'?><html>",
    ] {
        assert_eq!(of_html(page), Some(WINDOWS_1251.name()), "{page}");
    }
}

#[test]
fn what_is_not_a_declaration_is_passed_over() {
    for before in [
        "<!-- <meta charset=koi8-r> -->",
        "<!-->",
        "<!--->",
        "<!-- > <meta charset=koi8-r> -- -->",
        "<meta name=x content=\"text/html; charset=koi8-r\">",
        "<meta http-equiv=refresh content=\"0; charset=koi8-r\">",
        "<meta charset=foo>",
        "<meta charset>",
        "<meta charset=foo http-equiv=content-type content='charset=koi8-r'>",
        "<meta http-equiv=content-type content='charset=\"koi8-r'>",
        "<meta data-charset=koi8-r>",
        "<metadata charset=koi8-r>",
        "<a title=\"<meta charset=koi8-r>\">",
        "<a title='<meta charset=koi8-r>' b></a c='<meta charset=koi8-r>'>",
        "<script charset=koi8-r></script>",
        "<meta name=viewport><form accept-charset=koi8-r>",
        "<meta><link encoding=koi8-r>",
        "<!doctype <meta charset=koi8-r>",
        "</ <meta charset=koi8-r>",
        "1 < 2 <",
    ] {
        let page = |after: &str| format!("{before}{after}");
        assert_eq!(
            of_html(&page("<meta charset=windows-1251>")),
            Some(WINDOWS_1251.name()),
            "{before}"
        );
        assert_eq!(of_html(&page("<p>")), None, "{before}");
    }
}

#[test]
fn a_declaration_that_is_cut_or_too_far_away_is_none() {
    for page in [
        "<meta charset=koi8-r",
        "<meta charset='koi8-r",
        "<!-- <meta charset=koi8-r>",
        "<a b",
        "<",
    ] {
        assert_eq!(of_html(page), None, "{page}");
    }
    let meta = "<meta charset=koi8-r>";
    let at_end = |spaces: usize| format!("{}{meta}", " ".repeat(spaces));
    let room = SEARCHED - meta.len();
    assert_eq!(of_html(&at_end(room)), Some(KOI8_R.name()));
    assert_eq!(of_html(&at_end(room + 1)), None);
}

#[test]
fn a_document_declares_its_charset_at_its_very_start() {
    for (document, expected) in [
        ("<?xml version=\"1.0\" encoding=\"koi8-r\"?>", Some("KOI8-R")),
        ("<?xml version = \"1.0\"\n encoding = 'koi8-r' ?>", Some("KOI8-R")),
        (
            "<?xml version='encoding' encoding='koi8-r' standalone='yes'?>",
            Some("KOI8-R"),
        ),
        ("<?xml version='1.0' encoding='utf-16'?>", Some("UTF-8")),
        (
            "<?xml version='1.0' encoding='x-user-defined'?>",
            Some("windows-1252"),
        ),
        ("<?xml version=\"1.0\"?><config encoding=\"koi8-r\">", None),
        ("<?xml version='1.0' xencoding='koi8-r'?>", None),
        ("<?xml version='1.0' encoding='foo'?>", None),
        ("<?xml-stylesheet encoding='koi8-r'?>", None),
        (" <?xml version='1.0' encoding='koi8-r'?>", None),
        ("<a/><?xml version='1.0' encoding='koi8-r'?>", None),
        ("<?xml version='1.0' encoding='koi8-r", None),
        ("<html><meta charset=koi8-r>", None),
    ] {
        assert_eq!(of_xml(document), expected, "{document}");
    }
}

#[test]
fn of_xhtml_the_declaration_comes_first() {
    let of = |page: &str| declared(page.as_bytes(), Markup::Either).map(Encoding::name);
    let page = "<?xml version='1.0' encoding='windows-1251'?><meta charset=koi8-r>";
    assert_eq!(of(page), Some("windows-1251"));
    assert_eq!(of("<?xml version='1.0'?><meta charset=koi8-r>"), Some("KOI8-R"));
}

/// Every piece of every page is read without an error, and in a time that grows with its length.
#[test]
fn any_bytes_are_read_to_their_end() {
    let pieces = [
        "<", "!", "--", ">", "meta ", "a", "/", "=", "\"", "'", " ", "charset", "?xml ", "\u{e9}",
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let count = random.usize(..16);
        let page: String = (0..count).filter_map(|_| random.choice(pieces)).collect();
        for markup in [Markup::Html, Markup::Either, Markup::Xml] {
            declared(page.as_bytes(), markup);
        }
    }
}
