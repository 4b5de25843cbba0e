//! The envelope of a request, which is its resource and scope, encoded once.
//!
//! Requests for spans and for log records have the same structure and field numbers (opentelemetry-proto,
//! `ExportTraceServiceRequest` and `ExportLogsServiceRequest`), so one envelope serves both, and assembling a request
//! decodes nothing.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, message};

/// `resource_spans` of a request, `resource` of it, `scope` of a `ScopeSpans`: the first field of each.
const FIRST: u32 = 1;
/// `scope_spans` of a `ResourceSpans`.
const SCOPED: u32 = 2;
/// A key of these small numbers is one byte; a length is at most ten.
const MAX_KEY_AND_LENGTH: usize = 11;

/// Resource and scope as encoded fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) resource: Vec<u8>,
    pub(super) scope: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(resource: &Resource, scope: &InstrumentationScope) -> Self {
        Self {
            resource: field(resource),
            scope: field(scope),
        }
    }

    /// Assembles a request: this envelope around frames, each of them fields of a `ScopeSpans` or `ScopeLogs`.
    pub(super) fn request(&self, frames: &[u8]) -> Vec<u8> {
        let scoped = self.scope.len() + frames.len();
        let of_resource = self.resource.len() + 1 + length_of(scoped) + scoped;
        let mut request = Vec::with_capacity(of_resource + MAX_KEY_AND_LENGTH);
        open(FIRST, of_resource, &mut request);
        request.extend_from_slice(&self.resource);
        open(SCOPED, scoped, &mut request);
        request.extend_from_slice(&self.scope);
        request.extend_from_slice(frames);
        request
    }
}

fn field(message: &impl prost::Message) -> Vec<u8> {
    let mut encoded = Vec::new();
    message::encode(FIRST, message, &mut encoded);
    encoded
}

fn open(number: u32, length: usize, into: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(wide(length), into);
}

fn length_of(length: usize) -> usize {
    encoded_len_varint(wide(length))
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn resource() -> Resource {
        let value = Some(AnyValue {
            value: Some(Value::StringValue("canary".repeat(40))),
        });
        Resource {
            attributes: vec![KeyValue {
                key: "service.name".to_owned(),
                value,
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn scope() -> InstrumentationScope {
        InstrumentationScope {
            name: "canary".to_owned(),
            ..Default::default()
        }
    }

    fn span(name: &str) -> Span {
        Span {
            name: name.to_owned(),
            span_id: vec![7; 8],
            ..Default::default()
        }
    }

    #[test]
    fn frames_in_an_envelope_are_the_request_that_prost_would_have_made() {
        let frame = |spans: Vec<Span>| {
            ScopeSpans {
                spans,
                ..Default::default()
            }
            .encode_to_vec()
        };
        let frames = [frame(vec![span("a"), span("b")]), frame(vec![span("c")])].concat();
        let request = Envelope::new(&resource(), &scope()).request(&frames);

        let whole = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope()),
                    spans: vec![span("a"), span("b"), span("c")],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        assert_eq!(request, whole.encode_to_vec());
    }

    #[test]
    fn log_records_have_the_same_envelope() {
        let record = LogRecord {
            severity_text: "WARN".to_owned(),
            ..Default::default()
        };
        let logs = ScopeLogs {
            log_records: vec![record.clone()],
            ..Default::default()
        };
        let request = Envelope::new(&resource(), &scope()).request(&logs.encode_to_vec());

        let decoded = ExportLogsServiceRequest::decode(request.as_slice()).unwrap();
        let [
            ResourceLogs {
                resource: found,
                scope_logs,
                ..
            },
        ] = decoded.resource_logs.as_slice()
        else {
            panic!("one resource");
        };
        assert_eq!(found.as_ref(), Some(&resource()));
        assert_eq!(scope_logs[0].log_records, [record]);
    }
}
