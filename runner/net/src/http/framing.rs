//! Determines the end of an HTTP/1 response body in cases where the HTTP library differs from other clients.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};

use crate::NetError;

/// Length of a body that the library would read to the end of the connection: next to a `transfer-encoding` that has no
/// effect, `content-length` applies, as in curl and browsers. `None` if the library determines the end by itself.
///
/// # Errors
/// The peer uses a transfer encoding that was not requested (RFC 9112, section 7.4), or the end is ambiguous.
pub(super) fn body_length(headers: &HeaderMap) -> Result<Option<u64>, NetError> {
    let encodings: Vec<&[u8]> = values(headers, &TRANSFER_ENCODING).collect();
    let is_known = |encoding: &&[u8]| is_chunked(encoding) || is_nothing(encoding);
    if !encodings.iter().all(is_known) {
        return Err(NetError::Protocol(
            "the peer encoded the body with a `transfer-encoding` that was not requested".to_owned(),
        ));
    }
    match encodings.iter().position(|encoding| is_chunked(encoding)) {
        None if encodings.is_empty() => Ok(None),
        None => content_length(headers),
        // Gateways repeat the header they received, but the body is chunked once.
        Some(first) if encodings.iter().skip(first).all(|encoding| is_chunked(encoding)) => Ok(None),
        Some(_) => Err(NetError::Protocol(
            "the peer's `transfer-encoding` continues after `chunked`".to_owned(),
        )),
    }
}

fn is_chunked(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"chunked")
}

fn is_nothing(encoding: &[u8]) -> bool {
    encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, NetError> {
    let mut lengths = values(headers, &CONTENT_LENGTH).map(digits);
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    match first.filter(|_| lengths.all(|length| length == first)) {
        Some(length) => Ok(Some(length)),
        None => Err(no_single_length()),
    }
}

/// Checks the `content-length` of a response without a body, which the library ignores.
///
/// # Errors
/// It is not a single number.
pub(super) fn check_length(headers: &HeaderMap) -> Result<(), NetError> {
    let mut lengths = values(headers, &CONTENT_LENGTH);
    let Some(first) = lengths.next() else {
        return Ok(());
    };
    // A number that is too long to be parsed is still one.
    if is_number(first) && lengths.all(|length| is_number(length) && digits(length) == digits(first)) {
        Ok(())
    } else {
        Err(no_single_length())
    }
}

fn no_single_length() -> NetError {
    NetError::Protocol("the peer's `content-length` is not a single number".to_owned())
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn digits(text: &[u8]) -> Option<u64> {
    str::from_utf8(text)
        .ok()
        .filter(|_| is_number(text))?
        .parse()
        .ok()
}

/// All comma-separated values of a header, across all its lines.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn length_of(lines: &[(HeaderName, &'static str)]) -> Result<Option<u64>, String> {
        let lines = lines.iter().cloned();
        let headers: HeaderMap = lines
            .map(|(name, value)| (name, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        body_length(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn an_encoding_that_encodes_nothing_leaves_the_length_in_force() {
        let length = || (CONTENT_LENGTH, "10");
        for nothing in [
            "identity",
            "Identity",
            "",
            ",",
            "identity, identity",
            "\tidentity ",
        ] {
            let encoding = || (TRANSFER_ENCODING, nothing);
            assert_eq!(length_of(&[encoding(), length()]), Ok(Some(10)), "{nothing}");
            assert_eq!(
                length_of(&[length(), encoding(), length()]),
                Ok(Some(10)),
                "{nothing}"
            );
            assert_eq!(length_of(&[encoding()]), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn chunks_and_lengths_alone_are_left_to_the_library() {
        let length = || (CONTENT_LENGTH, "10");
        assert_eq!(length_of(&[]), Ok(None));
        assert_eq!(length_of(&[length()]), Ok(None));
        for chunks in [
            "chunked",
            "CHUNKED",
            "identity, chunked",
            ",chunked",
            "chunked, chunked",
        ] {
            assert_eq!(
                length_of(&[(TRANSFER_ENCODING, chunks), length()]),
                Ok(None),
                "{chunks}"
            );
        }
        let lines = [(TRANSFER_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")];
        assert_eq!(length_of(&lines), Ok(None));
    }

    #[test]
    fn what_leaves_the_end_open_is_refused() {
        let behind = "the peer's `transfer-encoding` continues after `chunked`";
        for lines in [
            &["chunked, identity"][..],
            &["chunked,"],
            &["chunked", "identity"],
            &["chunked", ""],
        ] {
            let lines: Vec<_> = lines.iter().map(|line| (TRANSFER_ENCODING, *line)).collect();
            assert_eq!(length_of(&lines), Err(format!("protocol: {behind}")), "{lines:?}");
        }
        for encoding in [
            "gzip",
            "gzip, chunked",
            "identity;q=1",
            "chunked\u{a0}",
            "identity chunked",
        ] {
            let refused = length_of(&[(TRANSFER_ENCODING, encoding)]).unwrap_err();
            assert!(
                refused.contains("that was not requested"),
                "{encoding}: {refused}"
            );
        }
        for (first, second) in [
            ("10", "11"),
            ("10, 11", "10"),
            ("+10", "+10"),
            ("", ""),
            ("1 0", "1 0"),
        ] {
            let lines = [
                (TRANSFER_ENCODING, "identity"),
                (CONTENT_LENGTH, first),
                (CONTENT_LENGTH, second),
            ];
            let refused = length_of(&lines).unwrap_err();
            assert!(refused.contains("not a single number"), "{first}: {refused}");
        }
    }
}
