//! Requests printed as lines of OTLP/JSON, for local experiments.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::export_result::{ExportFailure, ExportResult};
use crate::signal::Signal;
use canary_run::report::safe_json;

/// The destination of the lines; shared by the signals, so that their lines do not interleave.
#[derive(Clone)]
pub(super) struct Console(Arc<Mutex<Box<dyn Write + Send>>>);

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Writes one line. A failed write is not retried: nobody would read the line later.
    pub(super) fn write(&self, signal: Signal, request: &[u8]) -> ExportResult {
        let written = line(signal, request).and_then(|line| {
            // A write either completes or returns an error; a panic leaves no inconsistent state here.
            let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write_all(&line)?;
            Ok(writer.flush()?)
        });
        match written {
            Ok(()) => ExportResult::accepted(),
            Err(error) => ExportResult::Refused {
                cause: ExportFailure::Console,
                message: error.to_string(),
            },
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ConsoleError {
    #[error("the request cannot be decoded")]
    Decode(#[from] prost::DecodeError),
    #[error("the request cannot be shown as JSON")]
    Encode(#[from] serde_json::Error),
    #[error("the console cannot be written")]
    Write(#[from] std::io::Error),
}

fn line(signal: Signal, request: &[u8]) -> Result<Vec<u8>, ConsoleError> {
    let line = match signal {
        Signal::Traces => safe_json(&ExportTraceServiceRequest::decode(request)?)?,
        Signal::Metrics => safe_json(&ExportMetricsServiceRequest::decode(request)?)?,
        Signal::Logs => safe_json(&ExportLogsServiceRequest::decode(request)?)?,
    };
    Ok(line.into_bytes())
}
