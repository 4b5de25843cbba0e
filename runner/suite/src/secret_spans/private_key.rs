//! Private keys, which are secret under any key of a file.

use std::ops::Range;

/// What stands in the first and in the last line of a private key in PEM or in the formats of OpenSSH and PGP.
const LABEL: &str = "PRIVATE KEY";
/// Maximum distance in bytes from the beginning of such a line to the label.
const MAX_BEFORE: usize = 64;
/// Begins a private key in the format of PuTTY.
const PUTTY_FIRST: &str = "PuTTY-User-Key-File";
/// Begins its last line.
const PUTTY_LAST: &str = "Private-MAC";

/// Private keys from the first line to the last, or else to the end of the text.
pub(super) fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    between(text, pem_marks(text)).chain(between(text, putty_marks(text)))
}

/// The beginning or the end of a private key.
enum Mark {
    Begin(usize),
    End(usize),
}

/// From each beginning to the next end.
fn between(text: &str, marks: impl Iterator<Item = Mark>) -> impl Iterator<Item = Range<usize>> {
    let (mut begin, mut marks) = (None, marks);
    std::iter::from_fn(move || {
        for mark in marks.by_ref() {
            match mark {
                Mark::Begin(start) => {
                    begin.get_or_insert(start);
                }
                Mark::End(end) => {
                    if let Some(start) = begin.take() {
                        return Some(start..end);
                    }
                }
            }
        }
        begin.take().map(|start| start..text.len())
    })
}

fn pem_marks(text: &str) -> impl Iterator<Item = Mark> {
    text.match_indices(LABEL).filter_map(|(at, _)| {
        let from = (at.saturating_sub(MAX_BEFORE)..=at).find(|from| text.is_char_boundary(*from))?;
        let head = text.get(from..at)?;
        let (before, word) = head.rsplit_once("--")?;
        let word = word.trim_start_matches(['-', ' ']);
        if word.starts_with("BEGIN") {
            Some(Mark::Begin(from + before.trim_end_matches('-').len()))
        } else if word.starts_with("END") {
            let after = text.get(at + LABEL.len()..)?;
            let rest = after.strip_prefix(" BLOCK").unwrap_or(after);
            Some(Mark::End(text.len() - rest.trim_start_matches(['-', ' ']).len()))
        } else {
            None
        }
    })
}

fn putty_marks(text: &str) -> impl Iterator<Item = Mark> {
    let mut next = 0;
    text.split_inclusive(['\r', '\n']).filter_map(move |line| {
        next += line.len();
        let first = line
            .find(PUTTY_FIRST)
            .map(|at| Mark::Begin(next - line.len() + at));
        first.or_else(|| line.contains(PUTTY_LAST).then_some(Mark::End(next)))
    })
}
