//! Headers and trailers as received, in a compact form: with thousands of short ones, the library's map needs many
//! times the memory.

use http::HeaderMap;

/// Headers or trailers of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    names: Box<str>,
    values: Box<[u8]>,
    /// End offsets of the name and the value of each field.
    ends: Box<[(usize, usize)]>,
}

impl Fields {
    /// Names and values; fields with the same name are adjacent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        let mut start = (0, 0);
        self.ends.iter().map(move |end| {
            let name = self.names.get(start.0..end.0).unwrap_or_default();
            let value = self.values.get(start.1..end.1).unwrap_or_default();
            start = *end;
            (name, value)
        })
    }

    /// Bytes of memory.
    pub(super) fn weight(&self) -> usize {
        self.names.len() + self.values.len() + size_of_val(&*self.ends)
    }
}

impl From<&HeaderMap> for Fields {
    fn from(headers: &HeaderMap) -> Self {
        let (mut names, mut values) = (String::new(), Vec::new());
        let mut ends = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            names.push_str(name.as_str());
            values.extend_from_slice(value.as_bytes());
            ends.push((names.len(), values.len()));
        }
        Self {
            names: names.into(),
            values: values.into(),
            ends: ends.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn fields_are_those_of_the_map() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("a", "1"),
            ("set-cookie", "x"),
            ("empty", ""),
            ("set-cookie", "y"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let fields = Fields::from(&headers);
        let map = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        assert!(fields.iter().eq(map), "{fields:?}");
        assert_eq!(fields.iter().len(), 4);
        assert_eq!(Fields::default().iter().len(), 0);
    }

    #[test]
    fn thousands_of_short_headers_take_little_more_than_their_bytes() {
        let mut headers = HeaderMap::new();
        for number in 0..4_096 {
            let name = HeaderName::from_bytes(format!("h{number}").as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("x"));
        }
        let weight = Fields::from(&headers).weight();
        assert!(weight < 100_000, "{weight}");
    }
}
