//! IPv4, IPv6, or both.

use std::fmt;
use std::net::IpAddr;

/// Which address families to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// IPv4 before IPv6.
    PreferV4,
    /// IPv6 before IPv4.
    PreferV6,
}

impl Family {
    /// The families to look up: an order of preference makes no difference there.
    pub(super) fn without_preference(self) -> Self {
        match self {
            Self::PreferV4 | Self::PreferV6 => Self::Any,
            other => other,
        }
    }

    pub(super) fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Any | Self::PreferV4 | Self::PreferV6 => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any | Self::PreferV4 | Self::PreferV6 => "IP",
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}
