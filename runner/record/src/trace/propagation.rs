//! Propagation of a trace context to a target.

/// A header format for a trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>).
    TraceContext,
    /// One `b3` header (<https://github.com/openzipkin/b3-propagation#single-header>).
    B3,
    /// Three `x-b3-*` headers (<https://github.com/openzipkin/b3-propagation#multiple-headers>).
    B3Multi,
}

/// The header formats of a propagated trace context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagation(Vec<Format>);

impl Default for Propagation {
    fn default() -> Self {
        Self(vec![Format::TraceContext])
    }
}

impl Propagation {
    /// With these formats, each once; without any, no header is added.
    #[must_use]
    pub fn new(formats: impl IntoIterator<Item = Format>) -> Self {
        let mut formats: Vec<Format> = formats.into_iter().collect();
        formats.sort_unstable();
        formats.dedup();
        Self(formats)
    }

    /// The headers, in lower case as HTTP/2 requires. The span is that of the request: the parent of the target's
    /// spans.
    #[must_use]
    pub fn headers(
        &self,
        trace_id: &[u8; 16],
        span_id: &[u8; 8],
        sampled: bool,
    ) -> Vec<(&'static str, String)> {
        let (trace, span) = (hex::encode(trace_id), hex::encode(span_id));
        let digit = u8::from(sampled);
        let of = |format: &Format| match format {
            Format::TraceContext => vec![("traceparent", format!("00-{trace}-{span}-0{digit}"))],
            Format::B3 => vec![("b3", format!("{trace}-{span}-{digit}"))],
            Format::B3Multi => vec![
                ("x-b3-traceid", trace.clone()),
                ("x-b3-spanid", span.clone()),
                ("x-b3-sampled", digit.to_string()),
            ],
        };
        self.0.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the W3C's example.
    const TRACE: [u8; 16] = [
        0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36,
    ];
    const SPAN: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];

    fn headers(formats: &[Format], sampled: bool) -> String {
        let headers = Propagation::new(formats.iter().copied()).headers(&TRACE, &SPAN, sampled);
        let lines = headers.iter().map(|(name, value)| format!("{name}: {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_trace_context_is_one_header() {
        assert_eq!(
            headers(&[Format::TraceContext], true),
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        );
        assert!(headers(&[Format::TraceContext], false).ends_with("-00"));
        assert_eq!(Propagation::default(), Propagation::new([Format::TraceContext]));
    }

    #[test]
    fn b3_is_one_header_or_three() {
        assert_eq!(
            headers(&[Format::B3], true),
            "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"
        );
        assert_eq!(
            headers(&[Format::B3Multi], false),
            "x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736\nx-b3-spanid: 00f067aa0ba902b7\nx-b3-sampled: 0"
        );
    }

    #[test]
    fn a_format_that_is_named_twice_is_written_once() {
        assert_eq!(
            headers(&[Format::B3, Format::TraceContext, Format::B3], true)
                .lines()
                .count(),
            2
        );
        assert_eq!(headers(&[], true), "");
    }
}
