//! The head of a response whose body is streamed.

use std::borrow::Cow;

use super::{Hop, Response, Version, values};
use crate::tls;

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The final URL: the requested one, or that of the last redirect.
    pub url: String,
    /// Such as 200.
    pub status: u16,
    /// The version that was spoken.
    pub version: Version,
    /// The headers, in the order in which they were received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// `address:port` of the last hop.
    pub peer: String,
    /// The session of the last hop, if it used TLS.
    pub tls: Option<tls::Session>,
    /// The redirects and challenges before, in order.
    pub hops: Vec<Hop>,
    /// As in a [`Response`].
    pub authentication_error: Option<String>,
}

impl Head {
    /// The first header with this name, in any case. Invalid UTF-8 is replaced.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        values(&self.headers, name).next()
    }
}

impl From<Response> for Head {
    fn from(response: Response) -> Self {
        Self {
            url: response.url,
            status: response.status,
            version: response.version,
            headers: response.headers,
            peer: response.peer,
            tls: response.tls,
            hops: response.hops,
            authentication_error: response.authentication_error,
        }
    }
}
