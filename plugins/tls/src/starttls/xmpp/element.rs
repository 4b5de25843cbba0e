//! The elements of a stream, read tag by tag, so that nothing after their end is taken from the connection.

use super::super::error::Error;
use super::super::reader::Reader;

/// A child of the stream with everything in it. `<a/>` and `<a></a>` are the same element.
pub(super) struct Element {
    name: Vec<u8>,
    text: Vec<u8>,
}

impl Element {
    /// Reads the next element, past the declaration and the start of the stream. The end of the stream, which has no
    /// more elements, is one without a name.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut element = Self {
            name: Vec::new(),
            text: Vec::new(),
        };
        let mut depth = 0_usize;
        loop {
            let markup = Markup::read(reader)?;
            let is_outside = depth == 0;
            match markup.kind() {
                Kind::Start if is_outside && markup.name() == b"stream" => continue,
                Kind::Other if is_outside => continue,
                Kind::Start => depth += 1,
                Kind::End => depth = depth.saturating_sub(1),
                Kind::Empty | Kind::Other => {}
            }
            if is_outside && markup.kind() != Kind::End {
                element.name = markup.name().to_vec();
            }
            element.text.extend(&markup.before);
            element.text.extend(&markup.text);
            if depth == 0 {
                return Ok(element);
            }
        }
    }

    /// The name without its prefix.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// As it was sent.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }
}

/// What stands between `<` and `>`, and the characters before it.
struct Markup {
    before: Vec<u8>,
    text: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `<a>`
    Start,
    /// `</a>`
    End,
    /// `<a/>`
    Empty,
    /// A declaration, a comment, or CDATA.
    Other,
}

impl Markup {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut markup = Self {
            before: Vec::new(),
            text: Vec::new(),
        };
        let mut quote = None;
        loop {
            // A bracket may also stand between tags, in the value of an attribute, and in a comment.
            let piece = reader.until_bracket()?;
            let start = if markup.text.is_empty() {
                piece.iter().position(|byte| *byte == b'<').unwrap_or(piece.len())
            } else {
                0
            };
            let (before, piece) = piece.split_at_checked(start).unwrap_or((&piece, &[]));
            markup.before.extend(before);
            markup.text.extend(piece);
            quote = piece.iter().fold(quote, quote_after);
            if markup.is_complete(quote) {
                return Ok(markup);
            }
        }
    }

    fn is_complete(&self, quote: Option<u8>) -> bool {
        const ENDS: [(&[u8], &[u8]); 3] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];
        let special = ENDS.iter().find(|(start, _)| self.text.starts_with(start));
        match special {
            Some((start, end)) => self
                .text
                .get(start.len()..)
                .is_some_and(|rest| rest.ends_with(end)),
            None => quote.is_none() && !self.text.is_empty(),
        }
    }

    fn kind(&self) -> Kind {
        match self.text.as_slice() {
            [b'<', b'!' | b'?', ..] => Kind::Other,
            [b'<', b'/', ..] => Kind::End,
            [.., b'/', b'>'] => Kind::Empty,
            _ => Kind::Start,
        }
    }

    /// The name without its prefix.
    fn name(&self) -> &[u8] {
        let inside = self.text.trim_ascii_start();
        let inside = inside.strip_prefix(b"<").unwrap_or(inside);
        let inside = inside.strip_prefix(b"/").unwrap_or(inside);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
        let name = inside.split(ends).next().unwrap_or_default();
        name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
    }
}

/// The quotation mark that is open after this byte.
fn quote_after(open: Option<u8>, byte: &u8) -> Option<u8> {
    match (open, byte) {
        (None, b'\'' | b'"') => Some(*byte),
        (Some(mark), _) if mark == *byte => None,
        _ => open,
    }
}
