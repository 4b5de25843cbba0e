//! Between the contract's generated types and the host's own.

use std::time::Duration;

use crate::ledger::Denial;
use crate::net::{Family, NetError, Phase, Timings};
use crate::outcome::VerdictStatus;
use crate::quota::QuotaKind;
use crate::sandbox::bindings::{probe, types};

impl From<NetError> for types::NetError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Denied(text) => Self::Denied(text),
            NetError::Quota(denial) => quota(denial),
            NetError::TrustStore(_) => Self::Other(error.to_string()),
            // No other variant has room for how far it came.
            NetError::Body { .. } => Self::Other(format!("receive: {error}")),
            // The contract has one word for all that the host has too little of; the run's outcome tells them apart.
            NetError::HostExhausted | NetError::DnsBusy => Self::HostExhausted,
            NetError::Timeout(phase) => Self::Timeout(phase.into()),
            NetError::Unresolved(text) => Self::Unresolved(text),
            NetError::Refused => Self::Refused,
            NetError::Unreachable => Self::Unreachable,
            NetError::Reset => Self::Reset,
            NetError::Closed => Self::Closed,
            NetError::Tls(text) => Self::Tls(text),
            NetError::Protocol(text) => Self::Protocol(text),
            NetError::Invalid(text) => Self::Invalid(text),
            NetError::Other(text) => Self::Other(text),
        }
    }
}

fn quota(denial: Denial) -> types::NetError {
    let what = match denial.what {
        QuotaKind::Sockets => types::ResourceKind::Sockets,
        QuotaKind::Fds => types::ResourceKind::Fds,
        QuotaKind::Connections => types::ResourceKind::Connections,
        QuotaKind::Lookups => types::ResourceKind::Lookups,
        QuotaKind::BytesIn => types::ResourceKind::BytesIn,
        QuotaKind::BytesOut => types::ResourceKind::BytesOut,
        // Not the network's: they end the run, or drop a line, and never reach a client.
        QuotaKind::Memory | QuotaKind::Cpu | QuotaKind::LogLines | QuotaKind::Record => {
            return types::NetError::Other(denial.to_string());
        }
    };
    types::NetError::Quota(types::QuotaDenial {
        what,
        limit: denial.limit,
    })
}

impl From<Phase> for types::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Resolve => Self::Resolve,
            Phase::Connect => Self::Connect,
            Phase::Handshake => Self::Handshake,
            Phase::Send => Self::Send,
            Phase::Wait => Self::Wait,
            Phase::Receive => Self::Receive,
        }
    }
}

impl From<types::IpFamily> for Family {
    fn from(family: types::IpFamily) -> Self {
        match family {
            types::IpFamily::Any => Self::Any,
            types::IpFamily::Ipv4 => Self::V4,
            types::IpFamily::Ipv6 => Self::V6,
        }
    }
}

impl From<Timings> for types::Timings {
    fn from(timings: Timings) -> Self {
        Self {
            resolve: timings.resolve.map(nanos),
            connect: timings.connect.map(nanos),
            handshake: timings.handshake.map(nanos),
            send: timings.send.map(nanos),
            wait: timings.wait.map(nanos),
            receive: timings.receive.map(nanos),
        }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl From<probe::Status> for VerdictStatus {
    fn from(status: probe::Status) -> Self {
        match status {
            probe::Status::Pass => Self::Pass,
            probe::Status::Warn => Self::Warn,
            probe::Status::Fail => Self::Fail,
        }
    }
}
