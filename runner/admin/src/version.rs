//! `/api/v1/version`: which build of the runner this is, and what it supports.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::handler::ApiRequest;
use super::response::{Response, json};
use canary_sandbox::ContractVersion;

/// A build of the runner.
#[derive(Serialize, JsonSchema)]
pub(super) struct Version {
    /// The version of canary.
    version: &'static str,
    /// The versions of the plugin contract `canary:check` that it serves, the oldest first.
    contracts: Vec<&'static str>,
    /// The optional features that it was built with.
    features: Vec<&'static str>,
}

/// `GET /api/v1/version`.
pub(super) fn get_version(request: ApiRequest<'_>) -> Result<Response, String> {
    Ok(json(
        request.headers,
        StatusCode::OK,
        &version(&request.state.features),
    ))
}

fn version(features: &[&'static str]) -> Version {
    Version {
        version: env!("CARGO_PKG_VERSION"),
        contracts: ContractVersion::ALL.map(ContractVersion::as_str).to_vec(),
        features: features.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_the_contracts_that_are_served_and_the_features_of_the_build() {
        let version = version(&["demo"]);
        assert_eq!(version.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(version.contracts, ["0.1", "0.2"]);
        assert_eq!(version.features, ["demo"]);
    }
}
