//! Mismatches between a response and what is expected.

use canary_sdk::Assertion;

/// Something is not as expected, or it is unknown whether it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// For a person.
    pub(crate) message: String,
    /// Whether it is unknown, because the data was not retained or the run's limits do not suffice: that is not a
    /// failure of the target.
    pub(crate) is_unknown: bool,
}

impl Mismatch {
    /// A mismatch that was found.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_unknown: false,
        }
    }

    /// A value that cannot be determined.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_unknown: true,
        }
    }

    /// The same mismatch with another message.
    pub(crate) fn reworded(self, word: impl FnOnce(String) -> String) -> Self {
        Self {
            message: word(self.message),
            ..self
        }
    }

    pub(crate) fn assertion(self, name: impl Into<String>) -> Assertion {
        if self.is_unknown {
            Assertion::unknown(name, self.message)
        } else {
            Assertion::new(name, false, self.message)
        }
    }
}
