//! What a suite writes under `config:`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Maximum length of a script in bytes.
pub(crate) const MAX_SCRIPT_BYTES: usize = 64 << 10;

/// A script, and the values for it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The script in JavaScript: the body of an async function. `${file:PATH}` puts a file here.
    #[schemars(length(min = 1, max = 65_536))]
    pub(crate) script: String,
    /// Values that the script has as `vars`, such as names, limits and secrets.
    #[serde(default)]
    pub(crate) vars: Map<String, Value>,
}
