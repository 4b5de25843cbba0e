//! The option for the variables of a suite.

use clap::Args;

use canary_suite::VariableOverride;

/// Overrides of suite variables.
#[derive(Debug, Clone, Args)]
pub(super) struct VariableArgs {
    /// Set a suite variable (`${var:NAME}`), overriding `vars`; may be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(super) given: Vec<VariableOverride>,
}
