//! Where a check may go.

/// The destinations that a suite grants a check.
#[derive(Debug, Clone, Default)]
pub struct Grants;
