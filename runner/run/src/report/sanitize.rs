//! Sanitises untrusted text for terminals and XML.
//!
//! [`sanitize`] is for a single text. [`for_terminal`] and [`for_xml`] are applied to complete output as a second line
//! of defence, in case a text was not sanitised.

use std::borrow::Cow;

/// Maximum length of a text returned by [`sanitize`], without the `…` that replaces the rest.
pub const MAX_TEXT_CHARS: usize = 500;

/// Sanitises a text from a guest or a peer to one line of at most [`MAX_TEXT_CHARS`] for a terminal: characters that
/// could move the cursor, reorder or hide text are escaped as in Rust, such as `\n` and `\u{1b}`.
#[must_use]
pub fn sanitize(text: &str) -> String {
    let mut sanitized = String::with_capacity(text.len().min(MAX_TEXT_CHARS));
    let mut chars = 0;
    for char in text.chars() {
        let escaped = is_unsafe(char).then(|| char.escape_default());
        chars += escaped.as_ref().map_or(1, ExactSizeIterator::len);
        if chars > MAX_TEXT_CHARS {
            sanitized.push('…');
            break;
        }
        match escaped {
            Some(escaped) => sanitized.extend(escaped),
            None => sanitized.push(char),
        }
    }
    sanitized
}

/// Sanitises output for a terminal or a log: control sequences are escaped as by [`sanitize`], except for tabs, line
/// ends, and the colours that reports use.
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
        if is_harmless(char) || head.len() > char.len_utf8() {
            safe.push_str(head);
        } else {
            safe.extend(char.escape_default());
        }
        rest = tail;
    }
    Cow::Owned(safe)
}

/// The length in bytes of the colour sequence at the start of a text: one of those that reports use, which hide no
/// text.
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

/// Sanitises an XML 1.0 document: characters that are not allowed in it are escaped as by [`sanitize`].
#[must_use]
pub(super) fn for_xml(document: &str) -> Cow<'_, str> {
    // Surrogates cannot occur in a `char`.
    let is_allowed = |char: char| {
        matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..) && !is_unsafe(char)
            || char == '\n'
    };
    if document.chars().all(is_allowed) {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len() + 64);
    for char in document.chars() {
        if is_allowed(char) {
            safe.push(char);
        } else {
            safe.extend(char.escape_default());
        }
    }
    Cow::Owned(safe)
}

/// Control characters, Unicode line ends, directional marks, and invisible characters. The two joiners are allowed:
/// scripts and emoji need them.
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
            assert_eq!(sanitize(text), text);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            sanitize("a\x1b[2Jb\r\n\tc\0d\x7f"),
            r"a\u{1b}[2Jb\r\n\tc\u{0}d\u{7f}"
        );
        assert_eq!(sanitize("\u{9b}31m"), r"\u{9b}31m");
    }

    #[test]
    fn characters_that_hide_or_reorder_text_are_escaped() {
        assert_eq!(
            sanitize("a\u{202e}b\u{2066}c\u{200b}\u{feff}"),
            r"a\u{202e}b\u{2066}c\u{200b}\u{feff}"
        );
        assert_eq!(sanitize("\u{2028}\u{85}\u{e0041}"), r"\u{2028}\u{85}\u{e0041}");
    }

    #[test]
    fn output_keeps_its_lines_and_colours_and_no_other_control_sequences() {
        let own = "\x1b[32mup\x1b[0m  \x1b[1m\x1b[31mdown\x1b[0m\nGrüße, 世界\n";
        assert_eq!(for_terminal(own), own);
        assert_eq!(
            for_terminal("a\x1b[2J\x1b[8mhidden\x1b]0;title\x07\r\u{9b}31m\u{202e}\x1b[32"),
            r"a\u{1b}[2J\u{1b}[8mhidden\u{1b}]0;title\u{7}\r\u{9b}31m\u{202e}\u{1b}[32"
        );
    }

    #[test]
    fn a_document_has_no_character_that_xml_does_not_allow() {
        let own = "<a b=\"c\">d &lt; e\n</a>";
        assert_eq!(for_xml(own), own);
        assert_eq!(
            for_xml("a\u{fffe}\u{ffff}\u{0}\u{1b}\u{10ffff}"),
            "a\\u{fffe}\\u{ffff}\\u{0}\\u{1b}\u{10ffff}"
        );
    }

    #[test]
    fn all_output_is_safe() {
        let chars: String = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
        let is_safe = |text: &str| {
            text.chars()
                .all(|char| matches!(char, '\n' | '\t') || !is_unsafe(char))
        };
        assert!(is_safe(&for_terminal(&chars)) && is_safe(&for_xml(&chars)) && is_safe(&sanitize(&chars)));
    }

    #[test]
    fn a_long_text_is_cut() {
        let longest = "ä".repeat(MAX_TEXT_CHARS);
        assert_eq!(sanitize(&longest), longest);
        assert_eq!(sanitize(&format!("{longest}b")), format!("{longest}…"));
    }

    #[test]
    fn the_limit_counts_escaped_characters() {
        let text = sanitize(&"\x1b".repeat(1_000_000));
        assert!(text.chars().count() <= MAX_TEXT_CHARS + 1);
        assert!(text.ends_with("}…"));
    }
}
