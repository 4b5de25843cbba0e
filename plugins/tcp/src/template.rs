//! Texts with placeholders that earlier steps fill.

use std::collections::BTreeMap;

/// Captures of the earlier steps, by name.
pub(crate) type Captures = BTreeMap<String, Vec<u8>>;

/// Text in which `${name}` stands for a capture and `$${` for `${`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Capture(String),
}

/// The position of a `${` that is not closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclosed;

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, Unclosed> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                parts.push(Part::Text(format!("{before}${{").into_bytes()));
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').ok_or(Unclosed)?;
            parts.push(Part::Text(before.into()));
            parts.push(Part::Capture(name.into()));
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// A template without placeholders.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self(vec![Part::Text(bytes.into())])
    }

    /// The names of its placeholders.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Capture(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The bytes, in pieces; a group that did not participate in its match yields nothing.
    pub(crate) fn pieces<'t>(&'t self, captures: &'t Captures) -> impl Iterator<Item = &'t [u8]> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_slice()),
            Part::Capture(name) => captures.get(name).map(Vec::as_slice),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> Vec<u8> {
        let captures = Captures::from([("id".into(), b"\xff7".to_vec())]);
        Template::parse(text)
            .unwrap()
            .pieces(&captures)
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn captures_fill_the_holes() {
        assert_eq!(fill("QUIT\r\n"), b"QUIT\r\n");
        assert_eq!(fill("<${id}${id}>"), b"<\xff7\xff7>");
        assert_eq!(fill("${none}"), b"");
    }

    #[test]
    fn a_doubled_dollar_is_itself() {
        assert_eq!(fill("$${id} $5 $"), b"${id} $5 $");
    }

    #[test]
    fn a_hole_must_end() {
        assert_eq!(Template::parse("a ${id"), Err(Unclosed));
    }
}
