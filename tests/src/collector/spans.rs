//! Spans, flattened, with queries for tests.
#![expect(clippy::panic, reason = "a span that is missing must fail its test")]

use std::ops::Deref;

use opentelemetry_proto::tonic::trace::v1::Span as Sent;

use super::arrivals::Message;
use super::attributes::{Attributes, attributes};

/// A span with the resource and the scope that it came under.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The attributes of its resource.
    pub resource: Attributes,
    /// The name of its scope.
    pub scope: String,
    /// Its own attributes.
    pub attributes: Attributes,
    /// The span itself.
    pub sent: Sent,
}

impl Deref for Span {
    type Target = Sent;

    fn deref(&self) -> &Sent {
        &self.sent
    }
}

impl Span {
    /// Its length in seconds.
    ///
    /// # Panics
    /// It ends before it starts.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let (start, end) = (self.start_time_unix_nano, self.end_time_unix_nano);
        let Some(nanoseconds) = end.checked_sub(start) else {
            panic!(
                "the span `{}` ends at {end}, before it starts at {start}",
                self.name
            );
        };
        std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
    }

    /// The attributes of its first event by this name, if it has one.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<Attributes> {
        let event = self.events.iter().find(|event| event.name == name)?;
        Some(attributes(&event.attributes))
    }
}

/// Spans in order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spans(pub Vec<Span>);

impl Deref for Spans {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        &self.0
    }
}

impl Spans {
    /// Those by this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        self.only(|span| span.name == name)
    }

    /// The only one by this name.
    ///
    /// # Panics
    /// There is none, or more than one.
    #[must_use]
    pub fn one(&self, name: &str) -> &Span {
        let mut found = self.iter().filter(|span| span.name == name);
        match (found.next(), found.next()) {
            (Some(span), None) => span,
            (None, _) => panic!("no span `{name}` in {:?}", self.names()),
            (Some(_), Some(_)) => panic!("more than one span `{name}` in {:?}", self.names()),
        }
    }

    /// Those without a parent.
    #[must_use]
    pub fn roots(&self) -> Self {
        self.only(|span| span.parent_span_id.is_empty())
    }

    /// Those of the same trace as `span`, itself included.
    #[must_use]
    pub fn trace_of(&self, span: &Span) -> Self {
        self.only(|other| other.trace_id == span.trace_id)
    }

    /// The children of `span`, by their start.
    #[must_use]
    pub fn children_of(&self, span: &Span) -> Self {
        let is_child = |other: &Span| other.trace_id == span.trace_id && other.parent_span_id == span.span_id;
        let mut children = self.only(is_child);
        children.0.sort_by_key(|child| child.start_time_unix_nano);
        children
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(|span| span.name.as_str()).collect()
    }

    fn only(&self, wanted: impl Fn(&Span) -> bool) -> Self {
        Self(self.iter().filter(|span| wanted(span)).cloned().collect())
    }
}

impl<'a> FromIterator<&'a Message> for Spans {
    fn from_iter<I: IntoIterator<Item = &'a Message>>(messages: I) -> Self {
        let mut spans = Vec::new();
        for message in messages {
            let Message::Traces(request) = message else {
                continue;
            };
            for of_resource in &request.resource_spans {
                let resource = of_resource.resource.as_ref();
                let resource = resource.map_or_else(Attributes::new, |it| attributes(&it.attributes));
                for of_scope in &of_resource.scope_spans {
                    let scope = of_scope.scope.as_ref().map(|scope| scope.name.clone());
                    spans.extend(of_scope.spans.iter().map(|sent| Span {
                        resource: resource.clone(),
                        scope: scope.clone().unwrap_or_default(),
                        attributes: attributes(&sent.attributes),
                        sent: sent.clone(),
                    }));
                }
            }
        }
        Self(spans)
    }
}
