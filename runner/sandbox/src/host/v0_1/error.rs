//! Conversion of errors to the contract's type.

use crate::bindings::v0_1::types;
use canary_net::NetError;
use canary_net::ledger::Denial;
use canary_record::quota::QuotaKind;

impl From<NetError> for types::NetError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Denied(text) => Self::Denied(text),
            NetError::Quota(denial) => quota(denial),
            NetError::TrustStore(_) => Self::Other(error.to_string()),
            // This version has no field for the phase.
            NetError::InPhase { cause, .. } => (*cause).into(),
            NetError::OwnFailure { .. } => Self::Other(error.to_string()),
            // This version has no field for the progress.
            NetError::Body { .. } => Self::Other(format!("receive: {error}")),
            // The contract has one variant for every resource that the host lacks; the run's outcome
            // distinguishes them.
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
        // This version of the contract has no kind for the others.
        _ => return types::NetError::Other(denial.to_string()),
    };
    types::NetError::Quota(types::QuotaDenial {
        what,
        limit: denial.limit,
    })
}
