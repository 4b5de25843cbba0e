//! What is wrong with an answer.

use canary_sdk::Assertion;

/// Something is not as it is expected to be, or nobody knows whether it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// For a person.
    pub(crate) message: String,
    /// Whether to know it takes what is not kept, or more than a run has: that is no failure of the target.
    pub(crate) is_unknown: bool,
}

impl Complaint {
    /// It was seen.
    pub(crate) fn seen(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_unknown: false,
        }
    }

    /// It cannot be known.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            is_unknown: true,
        }
    }

    /// The same in other words.
    pub(crate) fn reworded(self, word: impl FnOnce(String) -> String) -> Self {
        Self {
            message: word(self.message),
            ..self
        }
    }

    pub(crate) fn assertion(self, name: impl Into<String>) -> Assertion {
        match self.is_unknown {
            true => Assertion::unknown(name, self.message),
            false => Assertion::new(name, false, self.message),
        }
    }
}
