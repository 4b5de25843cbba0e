//! How a request carries the trace that it belongs to.

use super::SpanId;

/// The formats that are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagation {
    /// <https://www.w3.org/TR/trace-context/>
    pub trace_context: bool,
}

impl Default for Propagation {
    fn default() -> Self {
        Self { trace_context: true }
    }
}

impl Propagation {
    /// Names and values of the headers.
    #[must_use]
    pub fn headers(
        &self,
        trace_id: &[u8; 16],
        span_id: &SpanId,
        sampled: bool,
    ) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.trace_context {
            let (trace, span) = (hex::encode(trace_id), hex::encode(span_id));
            headers.push((
                "traceparent",
                format!("00-{trace}-{span}-{:02x}", u8::from(sampled)),
            ));
        }
        headers
    }
}
