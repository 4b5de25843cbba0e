//! What came back for a request, and what that means for it.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use crate::suite::Secrets;
use crate::wire;
use crate::wire::Failure;

/// Characters of a collector's own words that go into a message.
const MAX_MESSAGE: usize = 200;

/// The fate of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The collector has it.
    Accepted {
        /// Items of it that the collector threw away (OTLP's partial success).
        rejected: u64,
        message: String,
    },
    /// The collector took it, and threw all of its items away; it must not be sent again (OTLP specification, "Partial
    /// Success").
    Rejected { message: String },
    /// It will never be taken as it is, but parts of it may be.
    TooLarge { cause: Cause, message: String },
    /// It will never be taken.
    Refused { cause: Cause, message: String },
    /// It may be taken another time.
    Later {
        cause: Cause,
        message: String,
        /// How long the collector wants to be left alone.
        after: Option<Duration>,
    },
}

impl Answer {
    pub(super) fn accepted() -> Self {
        Self::Accepted {
            rejected: 0,
            message: String::new(),
        }
    }

    /// `success`, or why not.
    pub(super) fn word(&self) -> Cow<'static, str> {
        match self {
            Self::Accepted { .. } => Cow::Borrowed("success"),
            Self::Rejected { .. } => Cow::Borrowed("rejected"),
            Self::TooLarge { cause, .. } | Self::Refused { cause, .. } | Self::Later { cause, .. } => {
                cause.word()
            }
        }
    }

    /// Takes secrets out of the collector's words, since some collectors quote what they were sent, and only then cuts
    /// these down to what may stand in a log line.
    pub(super) fn readable(mut self, secrets: &Secrets) -> Self {
        let (Self::Accepted { message, .. }
        | Self::Rejected { message }
        | Self::TooLarge { message, .. }
        | Self::Refused { message, .. }
        | Self::Later { message, .. }) = &mut self;
        let redacted = secrets.redact(message);
        let printable = redacted.chars().filter(|char| !char.is_control());
        *message = printable.take(MAX_MESSAGE).collect();
        self
    }
}

/// Whether a collector's words say that a message is too large. Not all have a status of its own for that: the HTTP
/// receiver of the OpenTelemetry Collector answers 400, and a gRPC server by its library `ResourceExhausted` or
/// `OutOfRange`, which mean other things as well.
pub(super) fn is_about_size(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "too large",
        "too big",
        "larger than max",
        "exceeds maximum size",
        "exceeds the limit",
    ]
    .iter()
    .any(|phrase| words.contains(phrase))
}

impl From<Failure> for Answer {
    fn from(Failure { cause, message }: Failure) -> Self {
        Self::Later {
            cause: Cause::Wire(cause),
            message,
            after: None,
        }
    }
}

/// Why a request was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There was no answer that could be read.
    Wire(wire::Cause),
    Http(StatusCode),
    Grpc(Code),
    /// The console cannot be written.
    Console,
}

impl Cause {
    /// The word in metrics; its set is bounded whatever a collector answers.
    pub(super) fn word(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Wire(cause) => cause.word(),
            Self::Http(status) if status.as_u16() < 600 => {
                return Cow::Owned(format!("http_{}", status.as_u16()));
            }
            Self::Http(_) => "http_other",
            Self::Grpc(code) => grpc_word(code),
            Self::Console => "console",
        })
    }
}

fn grpc_word(code: Code) -> &'static str {
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
        let words: std::collections::BTreeSet<_> = (100..1000)
            .map(|status| Cause::Http(StatusCode::from_u16(status).unwrap()).word())
            .collect();
        assert_eq!(words.len(), 501);
        assert!(words.contains("http_503") && words.contains("http_other"));
    }

    fn refused(message: String) -> Answer {
        Answer::Refused {
            cause: Cause::Http(StatusCode::BAD_REQUEST),
            message,
        }
    }

    fn shown(message: String, secrets: &Secrets) -> String {
        let Answer::Refused { message, .. } = refused(message).readable(secrets) else {
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
        let secrets = Secrets::of(["s3cret-token"]);
        let quoted = "no such tenant: Bearer s3cret-token".to_owned();
        assert_eq!(shown(quoted, &secrets), "no such tenant: Bearer ***");
        for before in 0..=MAX_MESSAGE {
            let text = format!("{}s3cret-token", "x".repeat(before));
            let shown = shown(text, &secrets);
            assert!(!shown.contains("s3"), "{before}: {shown}");
        }
    }
}
