//! What a suite writes under `config:`.
//!
//! Nothing here is `Debug`: headers, bodies and credentials must not end up in a text by accident.

mod auth;

use std::collections::BTreeMap;

use canary_sdk::http::Version;
use canary_sdk::tcp::IpFamily;
use canary_sdk::{Addresses, Duration, Problems, tls};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use auth::{Auth, ClientAuth, Login, OAuth2};

use crate::body::Encodings;
use crate::expect::Expect;
use crate::one_or_many::OneOrMany;

/// The request to send, and the expectations of the response.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["body", "body_json"] }))]
pub struct Config {
    /// The request method.
    #[schemars(
        regex(pattern = r"^[A-Z]+(-[A-Z]+)*$"),
        extend("patternErrorMessage" = "a method in capital letters, such as `GET`")
    )]
    pub(crate) method: String,
    /// Request headers: a name and its value, or a list of values that are sent one after the other.
    #[schemars(extend("x-canary-ignore-case" = true))]
    pub(crate) headers: BTreeMap<String, OneOrMany<String>>,
    /// The request body, as it is sent. `${file:PATH}` puts a file here.
    pub(crate) body: Option<String>,
    /// The request body as JSON; sets `content-type: application/json` where `headers` has none.
    #[schemars(
        with = "Option<Value>",
        extend("x-canary-atomic" = true, "type" = ["object", "array", "string", "number", "boolean"])
    )]
    pub(crate) body_json: Option<Box<RawValue>>,
    /// Credentials to send: `basic`, `bearer`, `digest` or `oauth2`.
    pub(crate) auth: Option<Auth>,
    /// Sends user name and password (RFC 7617); the same as `basic` of `auth`.
    pub(crate) basic_auth: Option<Login>,
    /// Sends `authorization: Bearer` with this token; the same as `bearer` of `auth`.
    pub(crate) bearer_token: Option<String>,
    /// Whether to follow redirects. If not, the redirect itself is checked.
    pub(crate) follow_redirects: bool,
    /// How many redirects to follow; one more is a failure.
    #[schemars(range(max = 20))]
    pub(crate) max_redirects: u32,
    /// Whether to read the body even if no expectation needs it. If not, only the head is checked.
    pub(crate) read_body: bool,
    /// How long to read the body for, from the end of the head, such as `2s`; default: to its end. What was received by
    /// then is checked, for a body that never ends.
    pub(crate) read_for: Option<Duration>,
    /// Encodings to request: `gzip`, `br`, `zstd`, `deflate`. The response is decompressed before it is checked.
    pub(crate) accept_encoding: Encodings,
    /// The HTTP version to use, or a list in order of preference; default: 2 and 1.1, of which 1.1 is used without TLS.
    pub(crate) version: OneOrMany<Version>,
    /// Local address to connect from.
    pub(crate) source_address: Option<String>,
    /// Which addresses of the host to try.
    pub(crate) ip_family: IpFamily,
    /// Whether one address of the host has to meet the expectations, or each of them.
    pub(crate) addresses: Addresses,
    /// `HOST:PORT` to connect to instead of the URL's, which still sets the `host` header and the certificate name.
    #[schemars(
        regex(pattern = r"^\S+:[0-9]+$"),
        extend("patternErrorMessage" = "an address in the form `HOST:PORT`")
    )]
    pub(crate) connect_to: Option<String>,
    /// URL of an HTTP or SOCKS5 proxy, or `environment` for the one that the environment sets for the URL.
    #[schemars(
        regex(pattern = r"^(https?://|socks5h?://|environment$)"),
        extend(
            "patternErrorMessage" = "a URL that begins with `http://`, `https://` or `socks5://`, or `environment`"
        )
    )]
    pub(crate) proxy: Option<String>,
    /// TLS options for a proxy that begins with `https://`.
    pub(crate) proxy_tls: Option<Tls>,
    /// TLS options for an `https` target.
    pub(crate) tls: Option<Tls>,
    /// Adds `traceparent`, so that the service's own trace joins that of the run.
    pub(crate) propagate_trace: bool,
    /// Expectations of the response.
    pub(crate) expect: Expect,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            headers: BTreeMap::new(),
            body: None,
            body_json: None,
            auth: None,
            basic_auth: None,
            bearer_token: None,
            follow_redirects: true,
            max_redirects: 10,
            read_body: true,
            read_for: None,
            accept_encoding: Encodings::default(),
            version: OneOrMany::default(),
            source_address: None,
            ip_family: IpFamily::Any,
            addresses: Addresses::One,
            connect_to: None,
            proxy: None,
            proxy_tls: None,
            tls: None,
            propagate_trace: false,
            expect: Expect::default(),
        }
    }
}

/// TLS options. Unlike the SDK's settings they have no `alpn`, which follows from `version`.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "client_cert": ["client_key"], "client_key": ["client_cert"] }))]
pub(crate) struct Tls {
    /// PEM of the CA certificates to trust; default: the host's store.
    ca: Option<String>,
    /// PEM of the client's certificate chain.
    client_cert: Option<String>,
    /// PEM of the client's key.
    client_key: Option<String>,
    /// Name sent as SNI and matched against the certificate; default: the host of the URL.
    server_name: Option<String>,
    /// Whether the name is sent; the certificate has to match it in any case.
    sni: bool,
    /// The minimum TLS version.
    min_version: Option<tls::Version>,
    /// The maximum TLS version.
    max_version: Option<tls::Version>,
    /// Whether a certificate chain that does not verify is a failure. If not, the request continues.
    trusted: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            ca: None,
            client_cert: None,
            client_key: None,
            server_name: None,
            sni: true,
            min_version: None,
            max_version: None,
            trusted: true,
        }
    }
}

impl Tls {
    /// Reports half a client identity.
    pub(crate) fn check(&self, problems: &mut Problems) {
        tls::check_identity(self.client_cert.as_deref(), self.client_key.as_deref(), problems);
    }

    /// The options that these settings ask for; half a client identity is left out.
    pub(crate) fn options(&self) -> tls::Options {
        let mut options = tls::Options::new().sni(self.sni).require_valid(self.trusted);
        options.server_name.clone_from(&self.server_name);
        options.ca_certificates.clone_from(&self.ca);
        options.min_version = self.min_version;
        options.max_version = self.max_version;
        options.client_identity = self.client_cert.clone().zip(self.client_key.clone());
        options
    }

    /// The options for another server than the target: the authorities and versions, and nothing that is about the
    /// target alone.
    pub(crate) fn options_elsewhere(&self) -> tls::Options {
        let mut options = tls::Options::new();
        options.ca_certificates.clone_from(&self.ca);
        options.min_version = self.min_version;
        options.max_version = self.max_version;
        options
    }
}
