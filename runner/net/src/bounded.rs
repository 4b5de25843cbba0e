//! Plugin input whose length is bounded by its type. The contract (`sdk/wit`) states the same limits.

use std::ops::Deref;

use super::NetError;
use canary_record::quota::format_bytes;

/// Maximum length of a URL in bytes, including one from a redirect.
pub(crate) const URL_BYTES: usize = 16 << 10;
/// Maximum length of a host or DNS name, in bytes.
pub(crate) const HOST_BYTES: usize = 255;
/// Maximum length of a protocol token in bytes: a method, a DNS record type, an address.
pub(crate) const TOKEN_BYTES: usize = 64;
/// Maximum length of `HOST:PORT`, in bytes.
pub(crate) const ENDPOINT_BYTES: usize = HOST_BYTES + 8;
/// Maximum length of a delimiter to read up to, in bytes.
pub(crate) const DELIMITER_BYTES: usize = 1 << 10;
/// Maximum length of a PEM text, in bytes.
pub(crate) const PEM_BYTES: usize = 1 << 20;
/// Maximum number of bytes in one write or one request body.
pub(crate) const PAYLOAD_BYTES: usize = 8 << 20;

/// A text or byte string of at most `MAX` bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounded<T, const MAX: usize>(T);

/// An absolute URL.
pub(crate) type UrlText = Bounded<String, URL_BYTES>;
/// A host or DNS name.
pub(crate) type HostText = Bounded<String, HOST_BYTES>;
/// A protocol token.
pub type Token = Bounded<String, TOKEN_BYTES>;
/// `HOST:PORT` or `ADDRESS:PORT`.
pub(crate) type EndpointText = Bounded<String, ENDPOINT_BYTES>;
/// Certificates or a private key.
pub type Pem = Bounded<String, PEM_BYTES>;
/// Bytes to send.
pub type Payload = Bounded<Vec<u8>, PAYLOAD_BYTES>;

impl<T: AsRef<[u8]>, const MAX: usize> Bounded<T, MAX> {
    /// Accepts `value` if it is short enough; `what` names it in the error.
    ///
    /// # Errors
    /// `Invalid`, with the limit.
    pub fn new(what: &str, value: T) -> Result<Self, NetError> {
        if value.as_ref().len() > MAX {
            return Err(too_long(what, MAX));
        }
        Ok(Self(value))
    }

    /// The value itself.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T, const MAX: usize> Deref for Bounded<T, MAX> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The delimiter of a read: 1 byte to 1 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter(Vec<u8>);

impl Delimiter {
    /// Accepts the bytes of a delimiter.
    ///
    /// # Errors
    /// `Invalid` if it is empty or too long.
    pub fn new(bytes: Vec<u8>) -> Result<Self, NetError> {
        if bytes.is_empty() {
            return Err(NetError::Invalid("the delimiter is empty".to_owned()));
        }
        Bounded::<_, DELIMITER_BYTES>::new("the delimiter", bytes).map(|bytes| Self(bytes.into_inner()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The error for a value of more than `limit` bytes.
pub fn too_long(what: &str, limit: usize) -> NetError {
    let limit = format_bytes(u64::try_from(limit).unwrap_or(u64::MAX));
    NetError::Invalid(format!("{what} is longer than {limit}"))
}

/// The error for a list of more than `limit` items.
pub fn too_many(what: &str, limit: usize) -> NetError {
    NetError::Invalid(format!("more than {limit} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_byte_too_long_is_refused_with_the_limit() {
        assert!(UrlText::new("the url", "x".repeat(URL_BYTES)).is_ok());
        let refused = UrlText::new("the url", "x".repeat(URL_BYTES + 1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid request: the url is longer than 16 KiB"
        );
        let refused = HostText::new("the host", "x".repeat(HOST_BYTES + 1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "invalid request: the host is longer than 255 B"
        );
    }

    #[test]
    fn a_delimiter_has_a_byte_at_least_and_a_kibibyte_at_most() {
        for (length, fits) in [
            (0, false),
            (1, true),
            (DELIMITER_BYTES, true),
            (DELIMITER_BYTES + 1, false),
        ] {
            assert_eq!(Delimiter::new(vec![b'x'; length]).is_ok(), fits, "{length}");
        }
    }
}
