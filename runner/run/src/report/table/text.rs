//! The width of text in columns, truncation and wrapping.

use std::mem;

use unicode_width::UnicodeWidthChar as _;

/// Truncates a text to `max` columns; `…` replaces the rest.
pub(in crate::report) fn truncate(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut room = max.saturating_sub(1);
    let fits = |char: &char| match room.checked_sub(char_width(*char)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let prefix: String = text.chars().take_while(fits).collect();
    if max == 0 { prefix } else { prefix + "…" }
}

/// Wraps a text to lines of at most `max` columns, at blanks if possible.
pub(in crate::report) fn wrap(text: &str, max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut room = max;
    for word in text.split_inclusive(' ') {
        let mut fits = room == max || width(word.trim_end()) <= room;
        for char in word.chars() {
            fits &= char == ' ' || char_width(char) <= room;
            if !fits {
                lines.push(mem::take(&mut line));
                (room, fits) = (max, true);
            }
            line.push(char);
            room = room.saturating_sub(char_width(char));
        }
    }
    lines.push(line);
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The width of a text in columns.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The width of one character in columns. Terminals disagree about sequences that make one emoji of several characters,
/// so each character counts alone.
fn char_width(char: char) -> usize {
    char.width().unwrap_or(1)
}
