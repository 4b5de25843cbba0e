//! Conversion of errors to the contract's type.

use crate::bindings::v0_2::types;
use canary_net::http::BodyProgress;
use canary_net::{NetError, Phase};
use canary_record::quota::{Denies, QuotaKind};

impl From<NetError> for types::NetError {
    fn from(error: NetError) -> Self {
        let quota = match error.without_phase() {
            NetError::Quota(denial) => Some(types::QuotaDenial {
                what: denial.what.as_str().to_owned(),
                limit: denial.limit,
            }),
            _ => None,
        };
        let progress = match error.without_phase() {
            NetError::Body { extent, .. } => Some(types::Progress::from(*extent)),
            _ => None,
        };
        Self {
            code: code(&error).to_owned(),
            phase: phase(&error).map(types::Phase::from),
            message: message(error.without_phase()),
            quota,
            progress,
            peer_sent: error.peer_sent().map(<[u8]>::to_vec),
            extra: Vec::new(),
        }
    }
}

impl From<BodyProgress> for types::Progress {
    fn from(extent: BodyProgress) -> Self {
        Self {
            received: extent.received,
            announced: extent.content_length,
        }
    }
}

fn code(error: &NetError) -> &'static str {
    match error.without_phase() {
        // The run's outcome distinguishes them.
        NetError::HostExhausted | NetError::DnsBusy => "host-exhausted",
        NetError::TrustStore(_) => "other",
        NetError::Body { cause, .. } | NetError::OwnFailure { cause, .. } => code(cause),
        other => other.code(),
    }
}

fn phase(error: &NetError) -> Option<Phase> {
    match error {
        NetError::InPhase { phase, .. } | NetError::Timeout(phase) => Some(*phase),
        NetError::Body { .. } => Some(Phase::Receive),
        NetError::OwnFailure { cause, .. } => phase(cause),
        NetError::Quota(denial) => quota_phase(denial.what),
        NetError::Unresolved(_) | NetError::DnsBusy => Some(Phase::Resolve),
        NetError::Tls(_) | NetError::TrustStore(_) => Some(Phase::Handshake),
        NetError::Denied(_) | NetError::HostExhausted | NetError::Refused | NetError::Unreachable => {
            Some(Phase::Connect)
        }
        NetError::Reset
        | NetError::Closed
        | NetError::Protocol(_)
        | NetError::Invalid(_)
        | NetError::Other(_) => None,
    }
}

fn quota_phase(what: QuotaKind) -> Option<Phase> {
    match what.denies() {
        Denies::Connecting => Some(Phase::Connect),
        Denies::Resolving => Some(Phase::Resolve),
        Denies::Receiving => Some(Phase::Receive),
        Denies::Sending => Some(Phase::Send),
        // A line is dropped, and no client learns of it.
        Denies::Recording => None,
    }
}

/// One line for a person.
fn message(error: &NetError) -> String {
    match error {
        NetError::Denied(text) => format!("the suite does not allow it: {text}"),
        NetError::Quota(denial) if denial.what == QuotaKind::Cpu => {
            "processing what the peer sends takes more CPU time than the run has (raise the quota `cpu`)"
                .to_owned()
        }
        NetError::Quota(denial) => {
            let (what, limit) = (denial.what, denial.limit);
            format!("the quota of {limit} `{what}` is used up")
        }
        NetError::Timeout(_) => "timed out".to_owned(),
        NetError::Unresolved(text) => format!("the name does not resolve: {text}"),
        NetError::Unreachable => "host or network unreachable".to_owned(),
        NetError::Reset => "connection reset by the peer".to_owned(),
        NetError::Closed => "connection closed by the peer".to_owned(),
        NetError::Tls(text) => format!("TLS: {text}"),
        NetError::Protocol(text) => format!("protocol error: {text}"),
        NetError::OwnFailure { what, cause } => format!("{what}: {}", message(cause.without_phase())),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canary_net::http::BodyProgress;
    use canary_net::ledger::Denial;

    fn shown(error: NetError) -> (String, Option<types::Phase>, String) {
        let error = types::NetError::from(error);
        (error.code, error.phase, error.message)
    }

    #[test]
    fn an_error_of_the_network_has_the_phase_that_it_came_in() {
        for error in [
            NetError::Reset,
            NetError::Closed,
            NetError::Tls("alert".to_owned()),
            NetError::Protocol("no HTTP".to_owned()),
            NetError::Other("it broke".to_owned()),
        ] {
            for phase in [Phase::Handshake, Phase::Send, Phase::Wait, Phase::Receive] {
                let word = error.code();
                let (code, shown, _) = shown(error.clone().in_phase(phase).in_phase(Phase::Connect));
                assert_eq!((code.as_str(), shown), (word, Some(phase.into())));
            }
        }
    }

    #[test]
    fn an_error_keeps_its_word_and_says_what_was_used_up_and_how_far_it_came() {
        let quota = types::NetError::from(NetError::Quota(Denial {
            what: QuotaKind::BytesIn,
            limit: 10,
        }));
        assert_eq!(quota.message, "the quota of 10 `bytes_in` is used up");
        let denial = quota.quota.unwrap();
        assert_eq!((denial.what.as_str(), denial.limit), ("bytes_in", 10));
        let body = types::NetError::from(NetError::Body {
            cause: Box::new(NetError::Reset),
            extent: BodyProgress {
                received: 2,
                content_length: Some(10),
            },
        });
        assert_eq!(
            (body.code.as_str(), body.phase),
            ("reset", Some(types::Phase::Receive))
        );
        assert_eq!(
            body.message,
            "the connection was reset after 2 of 10 bytes of the body"
        );
        let progress = body.progress.unwrap();
        assert_eq!((progress.received, progress.announced), (2, Some(10)));
    }

    #[test]
    fn what_a_plugin_of_0_1_sees_of_an_error_has_no_phase_and_is_the_same() {
        use crate::bindings::v0_1::types::NetError as Old;
        assert!(matches!(
            Old::from(NetError::Closed.in_phase(Phase::Send)),
            Old::Closed
        ));
        let tls = NetError::Tls("alert".to_owned()).in_phase(Phase::Receive);
        assert!(matches!(Old::from(tls), Old::Tls(text) if text == "alert"));
    }
}
