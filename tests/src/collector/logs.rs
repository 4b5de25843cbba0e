//! Log records, flattened.

use std::ops::Deref;

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value;

use super::arrivals::Message;
use super::attributes::{Attributes, attributes, value};

/// A log record with the resource and the scope that it came under.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The attributes of its resource.
    pub resource: Attributes,
    /// The name of its scope.
    pub scope: String,
    /// Its own attributes.
    pub attributes: Attributes,
    /// Its body.
    pub text: Value,
    /// The record itself.
    pub sent: LogRecord,
}

impl Deref for Log {
    type Target = LogRecord;

    fn deref(&self) -> &LogRecord {
        &self.sent
    }
}

/// Log records in order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(pub Vec<Log>);

impl Deref for Logs {
    type Target = [Log];

    fn deref(&self) -> &[Log] {
        &self.0
    }
}

impl Logs {
    /// Those of the event by this name.
    #[must_use]
    pub fn named(&self, event: &str) -> Self {
        Self(
            self.iter()
                .filter(|log| log.event_name == event)
                .cloned()
                .collect(),
        )
    }
}

impl<'a> FromIterator<&'a Message> for Logs {
    fn from_iter<I: IntoIterator<Item = &'a Message>>(messages: I) -> Self {
        let mut logs = Vec::new();
        for message in messages {
            let Message::Logs(request) = message else { continue };
            for of_resource in &request.resource_logs {
                let resource = of_resource.resource.as_ref();
                let resource = resource.map_or_else(Attributes::new, |it| attributes(&it.attributes));
                for of_scope in &of_resource.scope_logs {
                    let scope = of_scope.scope.as_ref().map(|scope| scope.name.clone());
                    logs.extend(of_scope.log_records.iter().map(|sent| Log {
                        resource: resource.clone(),
                        scope: scope.clone().unwrap_or_default(),
                        attributes: attributes(&sent.attributes),
                        text: value(sent.body.as_ref()),
                        sent: sent.clone(),
                    }));
                }
            }
        }
        Self(logs)
    }
}
