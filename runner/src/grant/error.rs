//! Grants that make no sense, and destinations that are not granted.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Destination;

/// Why a text is no grant, no destination or no network.
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
    #[error("`{text}` is not an origin; write `https://HOST` or `https://HOST:PORT`")]
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
    #[error("`{port}` is no port; allowed: 1 to 65535, or `*` in a grant")]
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
    #[error("`{host}` is no host name or address")]
    Host {
        /// As written.
        host: String,
        /// The URL standard's word for it.
        #[source]
        source: url::ParseError,
    },
    /// A URL where a host is asked for.
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
    /// Such as `::1:80`.
    #[error("`{place}` needs brackets around its IPv6 address, as in `[2001:db8::1]:443`")]
    NoBrackets {
        /// As written.
        place: String,
    },
    /// An empty label, or a `*` where none may be.
    #[error("`{host}` is no host name; a `*` stands alone, or for the first labels as in `*.example.com`")]
    Name {
        /// As written.
        host: String,
    },
    /// No name that DNS is asked for, such as an address.
    #[error(
        "`{name}` is not a DNS name; between its dots it has letters, digits and signs such as `-` and `_`, 63 at most, and \
         nothing behind them"
    )]
    DnsName {
        /// As written; cut.
        name: String,
    },
    /// More than DNS can hold.
    #[error("a host name is longer than {limit} bytes")]
    HostTooLong {
        /// In bytes.
        limit: usize,
    },
    /// No network in CIDR form.
    #[error("`{text}` is no network, such as `10.0.0.0/8` or `[fd00::/8]`")]
    Cidr {
        /// As written.
        text: String,
        /// What the parser says.
        #[source]
        source: ipnet::AddrParseError,
    },
    /// Such as `10.1.2.3/8`: either the address or the prefix is a slip.
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
    /// A name server is not written as an address.
    #[error("`{text}` is not the address of a name server, such as `192.0.2.53` or `[2001:db8::53]:53`")]
    NameServer {
        /// As written.
        text: String,
    },
    /// The target is no URL.
    #[error("not a URL")]
    Url {
        /// The URL standard's word for it.
        #[source]
        source: url::ParseError,
    },
    /// The target is a URL of another kind.
    #[error("its scheme is `{scheme}`")]
    OtherScheme {
        /// Without its colon.
        scheme: String,
    },
    /// The target does not fit what the plugin asks for.
    #[error("the target does not fit the plugin's syntax `{syntax}`")]
    Target {
        /// As the plugin describes it.
        syntax: String,
        /// What does not fit.
        #[source]
        source: Box<Self>,
    },
}

/// Why a check may not go somewhere. The text is what the guest is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No grant covers the host and port.
    #[error("`{destination}` is not granted to this check; to grant it, add `{destination}` to its `allow`")]
    NotGranted {
        /// Where it wanted to go.
        destination: Destination,
    },
    /// No grant covers looking the name up.
    #[error("the name `{name}` is not granted to this check; to grant it, add `dns://{name}` to its `allow`")]
    NameNotGranted {
        /// What it wanted to know.
        name: String,
    },
    /// No grant covers the host and port, nor looking the name up, which is to be in a network that is granted.
    #[error(
        "`{destination}` is not granted to this check; to grant it, add `{destination}` to its `allow`, or \
         `dns://{name}` where its addresses are in a network that is granted"
    )]
    PlaceNotGranted {
        /// Where it wanted to go.
        destination: Destination,
        /// Its host.
        name: String,
    },
    /// No grant covers the address that the host resolved to.
    #[error(
        "`{destination}` is at {address}, which is not granted to this check; to grant it, add `{destination}` to its \
         `allow`"
    )]
    AddressNotGranted {
        /// Where it wanted to go.
        destination: Destination,
        /// The answer.
        address: IpAddr,
    },
    /// The operator allows no check to go there, whatever its suite grants.
    #[error("`{destination}` is at {address}, in the blocked network {network}")]
    Blocked {
        /// Where it wanted to go.
        destination: Destination,
        /// The answer, or the host itself.
        address: IpAddr,
        /// The one that holds the address.
        network: IpNet,
    },
    /// The operator allows no check to ask this name server.
    #[error("the name server {server} is in the blocked network {network}")]
    NameServerBlocked {
        /// One of the check's `name_servers`.
        server: SocketAddr,
        /// The one that holds its address.
        network: IpNet,
    },
}
