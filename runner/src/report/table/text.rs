//! The width of text in columns, truncation and wrapping.

use std::mem;

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

/// The width of one character in columns: an approximation for the common blocks, not all of Unicode.
fn char_width(char: char) -> usize {
    match u32::from(char) {
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f => 0,
        0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200c..=0x200d | 0x20d0..=0x20ff => 0,
        0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xa960..=0xa97f | 0xac00..=0xd7a3 => 2,
        0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 => 2,
        0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
