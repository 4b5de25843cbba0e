//! The contract version that a component was built for, determined from its type before it is linked.

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use super::instance_pool::TooLarge;

/// The interface that makes a component a plugin.
const PROBE: &str = "canary:check/probe";

/// A contract version that this host supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractVersion {
    /// `canary:check@0.1.0`: without [`check-config`](super::Sandbox::check_config).
    V0_1,
    /// `canary:check@0.2.0`.
    V0_2,
}

/// Why a component cannot be linked to this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LinkError {
    /// Its imports do not match this host.
    #[error("its imports do not match this host: {0}")]
    Imports(String),
    /// It is a component of another world.
    #[error(
        "it does not export `canary:check/probe`; this runner serves contract {}",
        ContractVersion::served()
    )]
    NoProbe,
    /// It was built for contract versions that this host does not support.
    #[error(
        "it was built for contract {built_for}; this runner serves {}",
        ContractVersion::served()
    )]
    Version {
        /// `0.3`, or several.
        built_for: String,
    },
    /// Its export under the contract's name has another type.
    #[error("its `canary:check/probe` does not match the contract: {0}")]
    Probe(String),
    /// It needs more of the instance pool than one component may have.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The operating system refuses the anonymous file from which its first memory is copied: a limit of the host.
    #[error(
        "the host cannot keep its memory image: {0}; see the limits on memory, open files and file sizes"
    )]
    Image(String),
}

impl ContractVersion {
    /// All of them, the oldest first.
    pub const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];

    /// Such as `0.2`. Contract versions that differ only in their last number count as the same.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    /// Whether plugins of this version export `check-config`.
    pub(super) fn has_check_config(self) -> bool {
        self >= Self::V0_2
    }

    /// The newest version that both the component and this host support.
    pub(super) fn negotiate(component: &Component) -> Result<Self, LinkError> {
        let engine = component.engine();
        let ty = component.component_type();
        Self::from_exports(ty.exports(engine).map(|(name, _)| name))
    }

    /// Selects the version from the names of a component's exports.
    fn from_exports<'a>(exports: impl Iterator<Item = &'a str>) -> Result<Self, LinkError> {
        let mut built_for: Vec<String> = exports.filter_map(probe_version).collect();
        built_for.sort();
        built_for.dedup();
        let is_built_for = |version: &&Self| built_for.iter().any(|own| own == version.as_str());
        match Self::ALL.iter().rev().find(is_built_for) {
            Some(version) => Ok(*version),
            None if built_for.is_empty() => Err(LinkError::NoProbe),
            None => Err(LinkError::Version {
                built_for: built_for.join(" and "),
            }),
        }
    }

    /// Whether this host provides `name`, an interface of the contract, in the version of that name.
    pub(super) fn is_served(name: &str) -> bool {
        name.split_once('@')
            .is_some_and(|(_, version)| Self::ALL.iter().any(|own| own.as_str() == minor(version)))
    }

    /// `0.1 and 0.2`.
    pub(super) fn served() -> String {
        Self::ALL.map(Self::as_str).join(" and ")
    }
}

impl fmt::Display for ContractVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The contract version of an export if it is a probe: `0.3` of `canary:check/probe@0.3.1`.
fn probe_version(export: &str) -> Option<String> {
    let version = export.strip_prefix(PROBE)?;
    match version.strip_prefix('@') {
        Some(version) => Some(minor(version)),
        None if version.is_empty() => Some("no version".to_owned()),
        None => None,
    }
}

/// The first two numbers of a version.
fn minor(version: &str) -> String {
    let numbers: Vec<&str> = version.splitn(3, '.').take(2).collect();
    numbers.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exports: &[&str]) -> Result<ContractVersion, String> {
        ContractVersion::from_exports(exports.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_export_says_which_version_is_served() {
        assert_eq!(of(&["canary:check/probe@0.1.0"]), Ok(ContractVersion::V0_1));
        assert_eq!(of(&["canary:check/probe@0.2.0"]), Ok(ContractVersion::V0_2));
        assert_eq!(of(&["canary:check/probe@0.1.7"]), Ok(ContractVersion::V0_1));
        let both = ["canary:check/probe@0.1.0", "canary:check/probe@0.2.0"];
        assert_eq!(of(&both), Ok(ContractVersion::V0_2));
        let newer = ["canary:check/probe@0.3.0", "canary:check/probe@0.2.0"];
        assert_eq!(of(&newer), Ok(ContractVersion::V0_2));
    }

    #[test]
    fn other_versions_are_refused_with_all_versions_named() {
        assert_eq!(
            of(&["canary:check/probe@0.3.0"]).unwrap_err(),
            "it was built for contract 0.3; this runner serves 0.1 and 0.2"
        );
        assert_eq!(
            of(&["canary:check/probe@1.0.0", "canary:check/probe@0.4.2"]).unwrap_err(),
            "it was built for contract 0.4 and 1.0; this runner serves 0.1 and 0.2"
        );
    }

    #[test]
    fn what_exports_no_probe_is_no_plugin() {
        let nothing = "it does not export `canary:check/probe`; this runner serves contract 0.1 and 0.2";
        assert_eq!(of(&[]).unwrap_err(), nothing);
        assert_eq!(
            of(&["canary:check/probes@0.1.0", "wasi:cli/run@0.2.0"]).unwrap_err(),
            nothing
        );
    }

    #[test]
    fn an_interface_is_served_in_the_versions_of_the_contract() {
        assert!(ContractVersion::is_served("canary:check/tcp@0.1.0"));
        assert!(ContractVersion::is_served("canary:check/tcp@0.2.9"));
        assert!(!ContractVersion::is_served("canary:check/tcp@0.3.0"));
        assert!(!ContractVersion::is_served("canary:check/tcp"));
    }
}
