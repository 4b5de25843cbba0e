//! What the host would refuse of something that a plugin asks for, found without doing it.

use super::NetError;

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Its name in the contract, such as `ca-certificates` or `headers[2]`.
    pub field: String,
    /// Why.
    pub message: String,
}

/// The fields that are wrong, in the order in which they were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvalidFields(Vec<InvalidField>);

impl InvalidFields {
    /// What a field was parsed to; nothing when it is wrong, which is noted.
    pub fn keep<T>(&mut self, field: impl Into<String>, parsed: Result<T, NetError>) -> Option<T> {
        parsed.map_err(|error| self.note(field, error)).ok()
    }

    fn note(&mut self, field: impl Into<String>, error: NetError) {
        let message = match error {
            NetError::Invalid(message) | NetError::Tls(message) => message,
            other => other.to_string(),
        };
        self.0.push(InvalidField {
            field: field.into(),
            message,
        });
    }

    /// Adds those of a record within this one.
    pub fn extend_within(&mut self, record: &str, inner: Self) {
        let inner = inner.0.into_iter();
        self.0
            .extend(inner.map(|InvalidField { field, message }| InvalidField {
                field: format!("{record}.{field}"),
                message,
            }));
    }

    /// Adds those of another part of the same record.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    #[must_use]
    pub fn into_vec(self) -> Vec<InvalidField> {
        self.0
    }
}
