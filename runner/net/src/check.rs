//! Validation of plugin input without performing the operation.

use super::NetError;

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// Its name in the contract, such as `ca-certificates` or `headers[2]`.
    pub field: String,
    /// The reason.
    pub message: String,
}

/// The invalid fields, in the order of validation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvalidFields(Vec<InvalidField>);

impl InvalidFields {
    /// Returns the parsed field, or records the error and returns `None`.
    pub fn check<T>(&mut self, field: impl Into<String>, parsed: Result<T, NetError>) -> Option<T> {
        parsed.map_err(|error| self.push(field, error)).ok()
    }

    fn push(&mut self, field: impl Into<String>, error: NetError) {
        let message = match error {
            NetError::Invalid(message) | NetError::Tls(message) => message,
            other => other.to_string(),
        };
        self.0.push(InvalidField {
            field: field.into(),
            message,
        });
    }

    /// Adds the invalid fields of a nested record.
    pub fn extend_within(&mut self, record: &str, inner: Self) {
        let inner = inner.0.into_iter();
        self.0
            .extend(inner.map(|InvalidField { field, message }| InvalidField {
                field: format!("{record}.{field}"),
                message,
            }));
    }

    /// Adds the invalid fields of another part of the same record.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The invalid fields in order.
    #[must_use]
    pub fn into_vec(self) -> Vec<InvalidField> {
        self.0
    }
}
