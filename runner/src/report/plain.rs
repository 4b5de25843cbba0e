//! Texts from elsewhere, made safe for a terminal.

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

/// Control characters, line ends of Unicode, marks that change the direction of text, and invisible ones. The
/// two joiners stay: scripts and emoji need them.
pub(super) fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
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
