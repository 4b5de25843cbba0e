//! Texts from elsewhere, made safe for what they go to: a terminal, XML.
//!
//! [`plain`] is for one text among others. [`for_terminal`] and [`for_xml`] are for whatever is written: where a text was
//! forgotten, it is made safe there.

use std::borrow::Cow;

/// Longest text that [`plain`] gives, without the `…` that stands for the rest.
pub const MAX_TEXT_CHARS: usize = 500;

/// One line of at most [`MAX_TEXT_CHARS`] for a terminal, of a text that a guest or a peer wrote: whatever
/// could move the cursor, reorder or hide text is escaped as Rust does, so `\n` and `\u{1b}`.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(MAX_TEXT_CHARS));
    let mut chars = 0;
    for char in text.chars() {
        let escaped = is_unsafe(char).then(|| char.escape_default());
        chars += escaped.as_ref().map_or(1, ExactSizeIterator::len);
        if chars > MAX_TEXT_CHARS {
            plain.push('…');
            break;
        }
        match escaped {
            Some(escaped) => plain.extend(escaped),
            None => plain.push(char),
        }
    }
    plain
}

/// A text that is about to be written to a terminal or a log: what a terminal would obey is escaped as [`plain`] does,
/// but for tabs, ends of lines, and the colours that reports use.
#[must_use]
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    let is_harmless = |char: char| matches!(char, '\n' | '\t') || !is_unsafe(char);
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let length = colour(rest).unwrap_or(char.len_utf8());
        let (head, tail) = rest.split_at(length);
        match is_harmless(char) || head.len() > char.len_utf8() {
            true => safe.push_str(head),
            false => safe.extend(char.escape_default()),
        }
        rest = tail;
    }
    Cow::Owned(safe)
}

/// Bytes of the colour that a text begins with: one of those that reports use. None of them hides anything.
fn colour(text: &str) -> Option<usize> {
    const COLOURS: [&str; 9] = [
        "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m",
        "\x1b[36m",
    ];
    COLOURS
        .into_iter()
        .find(|colour| text.starts_with(colour))
        .map(str::len)
}

/// A document of XML 1.0 without the characters that it must not have, which are escaped as [`plain`] does.
#[must_use]
pub(super) fn for_xml(document: &str) -> Cow<'_, str> {
    // The surrogates are no characters.
    let is_allowed = |char: char| {
        matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..) && !is_unsafe(char)
            || char == '\n'
    };
    if document.chars().all(is_allowed) {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len() + 64);
    for char in document.chars() {
        match is_allowed(char) {
            true => safe.push(char),
            false => safe.extend(char.escape_default()),
        }
    }
    Cow::Owned(safe)
}

/// Control characters, line ends of Unicode, marks that change the direction of text, and invisible ones. The
/// two joiners stay: scripts and emoji need them.
pub(super) fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_text_stays_as_it_is() {
        for text in ["", "200 OK, 12 KiB", "Grüße, 世界 👩\u{200d}🚀"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(
            plain("a\x1b[2Jb\r\n\tc\0d\x7f"),
            r"a\u{1b}[2Jb\r\n\tc\u{0}d\u{7f}"
        );
        assert_eq!(plain("\u{9b}31m"), r"\u{9b}31m");
    }

    #[test]
    fn what_hides_or_reorders_text_is_escaped() {
        assert_eq!(
            plain("a\u{202e}b\u{2066}c\u{200b}\u{feff}"),
            r"a\u{202e}b\u{2066}c\u{200b}\u{feff}"
        );
        assert_eq!(plain("\u{2028}\u{85}\u{e0041}"), r"\u{2028}\u{85}\u{e0041}");
    }

    #[test]
    fn what_is_written_keeps_its_lines_and_colours_and_nothing_else_that_a_terminal_obeys() {
        let own = "\x1b[32mup\x1b[0m  \x1b[1m\x1b[31mdown\x1b[0m\nGrüße, 世界\n";
        assert_eq!(for_terminal(own), own);
        assert_eq!(
            for_terminal("a\x1b[2J\x1b[8mhidden\x1b]0;title\x07\r\u{9b}31m\u{202e}\x1b[32"),
            r"a\u{1b}[2J\u{1b}[8mhidden\u{1b}]0;title\u{7}\r\u{9b}31m\u{202e}\u{1b}[32"
        );
    }

    #[test]
    fn a_document_has_no_character_that_xml_must_not_have() {
        let own = "<a b=\"c\">d &lt; e\n</a>";
        assert_eq!(for_xml(own), own);
        assert_eq!(
            for_xml("a\u{fffe}\u{ffff}\u{0}\u{1b}\u{10ffff}"),
            "a\\u{fffe}\\u{ffff}\\u{0}\\u{1b}\u{10ffff}"
        );
    }

    #[test]
    fn whatever_is_written_is_safe() {
        let chars: String = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        let is_safe = |text: &str| {
            text.chars()
                .all(|char| matches!(char, '\n' | '\t') || !is_unsafe(char))
        };
        assert!(is_safe(&for_terminal(&chars)) && is_safe(&for_xml(&chars)) && is_safe(&plain(&chars)));
    }

    #[test]
    fn a_long_text_is_cut() {
        let longest = "ä".repeat(MAX_TEXT_CHARS);
        assert_eq!(plain(&longest), longest);
        assert_eq!(plain(&format!("{longest}b")), format!("{longest}…"));
    }

    #[test]
    fn escapes_count_as_what_they_become() {
        let text = plain(&"\x1b".repeat(1_000_000));
        assert!(text.chars().count() <= MAX_TEXT_CHARS + 1);
        assert!(text.ends_with("}…"));
    }
}
