//! Denials of destinations and names that are not granted.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Destination;

/// Why a check may not reach a destination. The message is returned to the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No grant covers the host and port.
    #[error("`{destination}` is not granted to this check; to grant it, add `{destination}` to its `allow`")]
    NotGranted {
        /// The denied destination.
        destination: Destination,
    },
    /// No grant covers looking the name up.
    #[error("the name `{name}` is not granted to this check; to grant it, add `dns://{name}` to its `allow`")]
    NameNotGranted {
        /// The denied name.
        name: String,
    },
    /// No grant covers the host and port, nor looking up the name, whose addresses might be in a granted network.
    #[error(
        "`{destination}` is not granted to this check; to grant it, add `{destination}` to its `allow`, or \
         `dns://{name}` where its addresses are in a network that is granted"
    )]
    EndpointNotGranted {
        /// The denied destination.
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
        /// The denied destination.
        destination: Destination,
        /// The resolved address.
        address: IpAddr,
    },
    /// The operator blocks the network, whatever the suite grants.
    #[error("`{destination}` is at {address}, in the blocked network {network}")]
    Blocked {
        /// The denied destination.
        destination: Destination,
        /// The resolved address, or the host itself.
        address: IpAddr,
        /// The blocked network that contains the address.
        network: IpNet,
    },
    /// The operator blocks this name server.
    #[error("the name server {server} is in the blocked network {network}")]
    NameServerBlocked {
        /// One of the check's `name_servers`.
        server: SocketAddr,
        /// The blocked network that contains its address.
        network: IpNet,
    },
}
