//! Errors for invalid grants.

use ipnet::IpNet;

/// Why a text is not a valid grant, destination or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Such as `db.internal:5432`.
    #[error(
        "grant `{text}` has no scheme; write `tcp://HOST:PORT`, `tls://HOST:PORT`, `http://HOST`, `https://HOST` or `dns://NAME`"
    )]
    NoScheme {
        /// The grant.
        text: String,
    },
    /// Such as `udp`.
    #[error("unknown scheme `{scheme}` in grant `{text}`; allowed: `tcp`, `tls`, `http`, `https`, `dns`")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
        /// The grant.
        text: String,
    },
    /// Neither `http` nor `https`.
    #[error("invalid origin `{text}`; write `https://HOST` or `https://HOST:PORT`")]
    Origin {
        /// As written.
        text: String,
    },
    /// A scheme without a default port.
    #[error("`{text}` needs a port, such as `{text}:5432`")]
    NoPort {
        /// The place without its port.
        text: String,
    },
    /// Port 0, a range, or no number.
    #[error("invalid port `{port}`; allowed: 1 to 65535, or `*` in a grant")]
    Port {
        /// What stands after the host.
        port: String,
    },
    /// Such as `https://example.com/path`.
    #[error("grant `{text}` has a path; a grant covers a whole host and port")]
    Path {
        /// The grant.
        text: String,
    },
    /// No name and no address.
    #[error("invalid host `{host}`; write a name or an IP address")]
    Host {
        /// As written.
        host: String,
        /// The URL parser's error.
        #[source]
        source: url::ParseError,
    },
    /// A URL where a host is expected.
    #[error(
        "it is a URL of the scheme `{scheme}`; write the host and the port alone, such as `example.com:443`"
    )]
    IsUrl {
        /// What stands before `://`.
        scheme: String,
    },
    /// A user name before a host.
    #[error("it has a user name before `@`; write the host and the port alone, such as `example.com:443`")]
    HasUser,
    /// An IPv6 address without brackets, such as `::1:80`.
    #[error("`{endpoint}` needs brackets around its IPv6 address, as in `[2001:db8::1]:443`")]
    NoBrackets {
        /// As written.
        endpoint: String,
    },
    /// An empty label, or a `*` where none may be.
    #[error(
        "invalid host `{host}`; no label may be empty, and `*` stands alone or for the first labels, as in \
         `*.example.com`"
    )]
    Name {
        /// As written.
        host: String,
    },
    /// Not a name that can be queried in DNS, such as an address.
    #[error(
        "invalid DNS name `{name}`; each label has up to 63 letters, digits and characters such as `-` and `_`, \
         and nothing follows the name"
    )]
    DnsName {
        /// As written; cut.
        name: String,
    },
    /// Longer than DNS permits.
    #[error("a host name is longer than {limit} bytes")]
    HostTooLong {
        /// In bytes.
        limit: usize,
    },
    /// A part between two dots that no query can hold: such a name cannot exist.
    #[error("invalid host `{host}`; DNS allows at most {limit} characters between two dots")]
    LabelTooLong {
        /// As written.
        host: String,
        /// In bytes of the ASCII form.
        limit: usize,
    },
    /// Not a network in CIDR notation.
    #[error("invalid network `{text}`; write a CIDR such as `10.0.0.0/8` or `[fd00::/8]`")]
    Cidr {
        /// As written.
        text: String,
        /// The CIDR parser's error.
        #[source]
        source: ipnet::AddrParseError,
    },
    /// Such as `10.1.2.3/8`: either the address or the prefix is a mistake.
    #[error("`{text}` has bits beyond its prefix; did you mean `{network}`?")]
    HostBits {
        /// As written.
        text: String,
        /// With these bits cleared.
        network: IpNet,
    },
    /// Neither a CIDR nor one of the named networks.
    #[error(
        "unknown network `{text}`; allowed: `private`, `link-local`, `metadata`, `loopback`, or a CIDR such as `10.0.0.0/8`"
    )]
    Network {
        /// As written.
        text: String,
    },
    /// A name server that is not written as an address.
    #[error(
        "invalid name server address `{text}`; write an IP address such as `192.0.2.53` or `[2001:db8::53]:53`"
    )]
    NameServer {
        /// As written.
        text: String,
    },
    /// The target is not a URL.
    #[error("not a URL")]
    Url {
        /// The URL parser's error.
        #[source]
        source: url::ParseError,
    },
    /// The target has no scheme, such as `example.com`.
    #[error("it is not a URL: write the scheme as well, such as `https://example.com/`")]
    NoUrlScheme,
    /// The target is a URL of another scheme.
    #[error("its scheme is `{scheme}`")]
    OtherScheme {
        /// Without its colon.
        scheme: String,
    },
    /// The target does not match the plugin's target syntax.
    #[error("the target does not match the plugin's syntax `{syntax}`")]
    Target {
        /// The plugin's target syntax.
        syntax: String,
        /// What does not match.
        #[source]
        source: Box<Self>,
    },
}
