//! A body read as JSON, within bounds: what a peer sends must not use up the memory that a run has.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most memory that a body and the values in it may take together, in bytes.
const MEMORY: usize = 26 << 20;
/// A node of a map's tree, with the memory allocator's share, in bytes: 11 keys and values.
const MAP_NODE: usize = 448;
/// Keys that a node holds at least once the map has grown, and its neighbours with it.
const KEYS_PER_NODE: usize = 5;
/// What the memory allocator adds to a text, in bytes.
const TEXT: usize = 16;

/// A body as JSON.
pub(super) struct Document {
    /// The value at the top.
    pub(super) root: Value,
    /// Values in it.
    pub(super) values: usize,
    /// How many containers one value stands in, at most.
    pub(super) depth: usize,
}

impl Document {
    /// Reads a text of JSON.
    ///
    /// # Errors
    /// It is not JSON, or more than fits a run's memory. The text is for a person.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let reader = Reader::new(MEMORY.saturating_sub(text.len()));
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let root = reader.at(0).deserialize(&mut deserializer);
        let root = root.and_then(|root| deserializer.end().map(|()| root));
        match root {
            Ok(root) => Ok(Self {
                root,
                values: reader.values.get(),
                depth: reader.depth.get(),
            }),
            Err(_) if reader.is_full.get() => Err(format!(
                "the body's JSON has more values than fit {} MiB of memory",
                MEMORY >> 20
            )),
            Err(error) => Err(format!("the body is not JSON: {error}")),
        }
    }
}

/// Builds values, and counts the memory that they take.
struct Reader {
    left: Cell<usize>,
    is_full: Cell<bool>,
    values: Cell<usize>,
    depth: Cell<usize>,
}

impl Reader {
    fn new(bytes: usize) -> Self {
        Self {
            left: Cell::new(bytes),
            is_full: Cell::new(false),
            values: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    fn at(&self, depth: usize) -> ValueAt<'_> {
        ValueAt { reader: self, depth }
    }

    /// Takes memory that is kept.
    fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        self.holds(bytes)?;
        self.left.set(self.left.get() - bytes);
        Ok(())
    }

    /// Whether there is so much left for a moment.
    fn holds<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        if bytes > self.left.get() {
            self.is_full.set(true);
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

/// Reads the value at one depth.
#[derive(Clone, Copy)]
struct ValueAt<'r> {
    reader: &'r Reader,
    depth: usize,
}

impl ValueAt<'_> {
    fn inside(self) -> Self {
        let depth = self.depth + 1;
        self.reader.depth.set(self.reader.depth.get().max(depth));
        Self { depth, ..self }
    }

    fn text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.reader.take(text.len() + TEXT)
    }
}

impl<'de> DeserializeSeed<'de> for ValueAt<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reader.values.set(self.reader.values.get() + 1);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueAt<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.text(value)?;
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside();
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inside)? {
            if values.len() == values.capacity() {
                // The old and the new place exist side by side for a moment.
                let more = values.capacity().max(4);
                self.reader
                    .holds::<A::Error>(size_of::<Value>() * (values.capacity() + more))?;
                self.reader.take::<A::Error>(size_of::<Value>() * more)?;
                values.reserve_exact(more);
            }
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside();
        let mut values = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.text(&key)?;
            if values.len().is_multiple_of(KEYS_PER_NODE) {
                self.reader.take(MAP_NODE)?;
            }
            let value = access.next_value_seed(inside)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            r#"{"a":[1,-2,3.5,"x",true,null,{}],"b":{"c":18446744073709551615},"a":2}"#,
            "[]",
            "\"\\u00e9\"",
        ] {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(document.root, serde_json::from_str::<Value>(text).unwrap());
        }
        let document = Document::parse(b"[[1],{\"a\":[2]}]").unwrap();
        assert_eq!((document.values, document.depth), (6, 3));
    }

    #[test]
    fn a_body_of_many_values_is_refused_before_it_fills_the_memory() {
        let objects = [br#"[{"a":[]}"#.as_slice(), &br#",{"a":[]}"#.repeat(100_000), b"]"].concat();
        let error = Document::parse(&objects).map(drop).unwrap_err();
        assert_eq!(error, "the body's JSON has more values than fit 26 MiB of memory");
        let numbers = [b"[0".as_slice(), &b",0".repeat(500_000), b"]"].concat();
        assert_eq!(Document::parse(&numbers).unwrap().values, 500_002);
    }

    #[test]
    fn what_is_not_json_says_where() {
        for (text, expected) in [
            ("<html>", "expected value at line 1 column 1"),
            ("{} x", "trailing characters at line 1 column 4"),
            ("[1e999999]", "number out of range at line 1 column 9"),
        ] {
            let error = Document::parse(text.as_bytes()).map(drop).unwrap_err();
            assert_eq!(error, format!("the body is not JSON: {expected}"));
        }
        let deep = "[".repeat(100_000);
        assert!(
            Document::parse(deep.as_bytes())
                .map(drop)
                .unwrap_err()
                .contains("recursion limit")
        );
    }
}
