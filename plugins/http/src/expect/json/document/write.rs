//! Serialises values as JSON without blanks.

use super::{Node, View};

/// A container whose end is not written yet.
struct Open {
    end: usize,
    close: &'static str,
}

impl Node<'_> {
    /// Passes its JSON to `put` piece by piece, until one is refused.
    ///
    /// # Errors
    /// The error of `put`.
    pub(in crate::expect::json) fn write<E>(
        self,
        mut put: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut open: Vec<Open> = Vec::new();
        let mut is_first = true;
        for node in self.descendants() {
            while let Some(ended) = open.pop_if(|open| open.end <= node.index) {
                put(ended.close)?;
                is_first = false;
            }
            if !is_first {
                put(",")?;
            }
            if let Some(key) = node.key().filter(|_| node.index != self.index) {
                quoted(key, &mut put)?;
                put(":")?;
            }
            is_first = false;
            let (start, close) = match node.view() {
                View::Null => ("null", None),
                View::Bool(true) => ("true", None),
                View::Bool(false) => ("false", None),
                View::Number(written) => (written, None),
                View::List { .. } => ("[", Some("]")),
                View::Object { .. } => ("{", Some("}")),
                View::Text(text) => {
                    quoted(text, &mut put)?;
                    continue;
                }
            };
            put(start)?;
            if let Some(close) = close {
                is_first = true;
                open.push(Open {
                    end: node.next(),
                    close,
                });
            }
        }
        open.iter().rev().try_for_each(|open| put(open.close))
    }

    /// The first bytes of its JSON: at least this many, if there are as many.
    pub(in crate::expect::json) fn start(self, bytes: usize) -> Vec<u8> {
        let mut start = Vec::new();
        // A large value is not serialised to its end to show its beginning.
        let _cut = self.write(|piece| {
            start.extend_from_slice(piece.as_bytes().get(..bytes).unwrap_or(piece.as_bytes()));
            if start.len() < bytes { Ok(()) } else { Err(()) }
        });
        start
    }
}

fn quoted<E>(text: super::Characters<'_>, put: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    put("\"")?;
    match text.plain() {
        Some(plain) => put(plain)?,
        None => text.each().try_for_each(|character| escaped(character, put))?,
    }
    put("\"")
}

/// Escapes what JSON requires to be escaped, and nothing else.
fn escaped<E>(character: char, put: &mut impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    match character {
        '"' => put("\\\""),
        '\\' => put("\\\\"),
        '\n' => put("\\n"),
        '\r' => put("\\r"),
        '\t' => put("\\t"),
        '\u{8}' => put("\\b"),
        '\u{c}' => put("\\f"),
        control @ '\0'..='\u{1f}' => put(&format!("\\u{:04x}", u32::from(control))),
        itself => put(itself.encode_utf8(&mut [0; 4])),
    }
}
