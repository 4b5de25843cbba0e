//! The result of an export attempt.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use canary_outbound::http_client::{self, Failure};
use canary_outbound::{Disposition, Payload, classify_failure, http_code};
use canary_suite::Secrets;

/// Maximum length of a collector's message in characters.
const MAX_MESSAGE: usize = 200;

/// The result of sending a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExportResult {
    /// The collector accepted it.
    Accepted {
        /// Items that the collector discarded (OTLP partial success).
        rejected: u64,
        message: String,
    },
    /// The collector accepted the request but discarded all of its items; it must not be sent again (OTLP
    /// specification, "Partial Success").
    Rejected { message: String },
    /// Too large as a whole; smaller parts may be accepted.
    TooLarge { cause: ExportFailure, message: String },
    /// Refused for good; not retryable.
    Refused { cause: ExportFailure, message: String },
    /// Failed for now; retryable.
    Retry {
        cause: ExportFailure,
        message: String,
        /// The delay requested by the collector.
        after: Option<Duration>,
    },
}

impl ExportResult {
    pub(super) fn accepted() -> Self {
        Self::Accepted {
            rejected: 0,
            message: String::new(),
        }
    }

    /// The result of a request that was not accepted.
    pub(super) fn not_accepted(disposition: Disposition, cause: ExportFailure, message: String) -> Self {
        match disposition {
            Disposition::Retry(after) => Self::Retry {
                cause,
                message,
                after,
            },
            // It waits until an operator fixes the configuration.
            Disposition::Blocked => Self::Retry {
                cause,
                message,
                after: None,
            },
            Disposition::Refused | Disposition::Rejected => Self::Refused { cause, message },
            Disposition::TooLarge => Self::TooLarge { cause, message },
        }
    }

    /// `success`, or the reason for the failure, as a metric label.
    pub(super) fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Accepted { .. } => Cow::Borrowed("success"),
            Self::Rejected { .. } => Cow::Borrowed("rejected"),
            Self::TooLarge { cause, .. } | Self::Refused { cause, .. } | Self::Retry { cause, .. } => {
                cause.code()
            }
        }
    }

    /// Redacts secrets in the collector's message (some collectors quote the request), and then truncates it for a log
    /// line.
    pub(super) fn redacted(mut self, secrets: &Secrets) -> Self {
        let (Self::Accepted { message, .. }
        | Self::Rejected { message }
        | Self::TooLarge { message, .. }
        | Self::Refused { message, .. }
        | Self::Retry { message, .. }) = &mut self;
        let redacted = secrets.redact(message);
        let printable = redacted.chars().filter(|char| !char.is_control());
        *message = printable.take(MAX_MESSAGE).collect();
        self
    }
}

/// Whether a collector's message says that a request is too large. Not all collectors use a dedicated status: the HTTP
/// receiver of the OpenTelemetry Collector answers 400, and gRPC servers answer `ResourceExhausted` or `OutOfRange`,
/// which have other meanings as well.
pub(super) fn is_size_error(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "too large",
        "too big",
        "larger than max",
        "exceeds maximum size",
        "exceeds the limit",
    ]
    .iter()
    .any(|phrase| text.contains(phrase))
}

impl From<Failure> for ExportResult {
    fn from(Failure { cause, message }: Failure) -> Self {
        let disposition = classify_failure(Payload::Export, cause);
        Self::not_accepted(disposition, ExportFailure::HttpClient(cause), message)
    }
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportFailure {
    /// No readable response.
    HttpClient(http_client::FailureCause),
    Http(StatusCode),
    Grpc(Code),
    /// Writing to the console failed.
    Console,
}

impl ExportFailure {
    /// The cause as a metric label; the set of values is bounded whatever a collector answers.
    pub(super) fn code(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::HttpClient(cause) => cause.as_str(),
            Self::Http(status) => return http_code(status),
            Self::Grpc(code) => grpc_code(code),
            Self::Console => "console",
        })
    }
}

fn grpc_code(code: Code) -> &'static str {
    match code {
        Code::Ok => "grpc_ok",
        Code::Cancelled => "grpc_cancelled",
        Code::Unknown => "grpc_unknown",
        Code::InvalidArgument => "grpc_invalid_argument",
        Code::DeadlineExceeded => "grpc_deadline_exceeded",
        Code::NotFound => "grpc_not_found",
        Code::AlreadyExists => "grpc_already_exists",
        Code::PermissionDenied => "grpc_permission_denied",
        Code::ResourceExhausted => "grpc_resource_exhausted",
        Code::FailedPrecondition => "grpc_failed_precondition",
        Code::Aborted => "grpc_aborted",
        Code::OutOfRange => "grpc_out_of_range",
        Code::Unimplemented => "grpc_unimplemented",
        Code::Internal => "grpc_internal",
        Code::Unavailable => "grpc_unavailable",
        Code::DataLoss => "grpc_data_loss",
        Code::Unauthenticated => "grpc_unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_results_are_bounded_whatever_a_collector_answers() {
        let text: std::collections::BTreeSet<_> = (100..1000)
            .map(|status| ExportFailure::Http(StatusCode::from_u16(status).unwrap()).code())
            .collect();
        assert_eq!(text.len(), 501);
        assert!(text.contains("http_503") && text.contains("http_other"));
    }

    fn refused(message: String) -> ExportResult {
        ExportResult::Refused {
            cause: ExportFailure::Http(StatusCode::BAD_REQUEST),
            message,
        }
    }

    fn shown(message: String, secrets: &Secrets) -> String {
        let ExportResult::Refused { message, .. } = refused(message).redacted(secrets) else {
            panic!("still refused");
        };
        message
    }

    #[test]
    fn words_of_a_collector_are_short_and_on_one_line() {
        let text = format!("bad\r\n\x1b[31m{}", "x".repeat(1000));
        let shown = shown(text, &Secrets::default());
        assert!(shown.starts_with("bad[31mxxx"), "{shown}");
        assert_eq!(shown.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn a_collector_that_quotes_a_header_reveals_no_part_of_it() {
        let secrets = Secrets::new(["s3cret-token"]);
        let quoted = "no such tenant: Bearer s3cret-token".to_owned();
        assert_eq!(shown(quoted, &secrets), "no such tenant: Bearer ***");
        for before in 0..=MAX_MESSAGE {
            let text = format!("{}s3cret-token", "x".repeat(before));
            let shown = shown(text, &secrets);
            assert!(!shown.contains("s3"), "{before}: {shown}");
        }
    }
}
