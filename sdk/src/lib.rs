//! Write a Canary health check in Rust: typed configuration, verdicts, and network clients that cannot leak.
//!
//! A plugin is a WebAssembly component that exports one [`Probe`]. It never opens a socket: it asks the host, and the
//! host opens, meters, times, traces and closes. Every call blocks the plugin only, every refusal is a value.
//!
//! # A probe
//!
//! ```
//! use canary_sdk::{Check, Error, Probe, TargetForm, Verdict, tcp};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// What a suite writes under `config:`. The comments become descriptions in its JSON Schema.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Software that the banner must name.
//!     software: String,
//! }
//!
//! struct Ssh;
//!
//! impl Probe for Ssh {
//!     type Config = Config;
//!     const NAME: &'static str = "ssh";
//!     const SUMMARY: &'static str = "Reads the banner of an SSH server";
//!     const TARGETS: &'static [TargetForm] = &[TargetForm::Host];
//!
//!     fn run(check: &Check<Config>) -> Result<Verdict, Error> {
//!         let connection = tcp::connect(&check.endpoint_or(22)?)?; // a refusal is a verdict of `fail`
//!         let banner = connection.read_line(255)?;
//!
//!         let mut verdict = Verdict::pass(&banner);
//!         verdict.assert("protocol", banner.starts_with("SSH-2.0-"), &banner);
//!         verdict.assert("software", banner.contains(&check.config.software), &banner);
//!         verdict.measure_time("connect.duration", connection.info().timings.connect);
//!         Ok(verdict)
//!     }
//! }
//!
//! canary_sdk::export_probe!(Ssh);
//! ```
//!
//! Build it as a `cdylib`: `cargo build --release --target wasm32-wasip2`.
//!
//! # Whose fault is it
//!
//! | the probe | the host records |
//! |---|---|
//! | returns a [`Verdict`] | the verdict; its status is the worst of its assertions |
//! | uses `?` on a [`NetError`] | a verdict of `fail` that names the phase and the reason, except for [`ErrorCode::Invalid`] |
//! | returns [`Error::Plugin`] | a fault of the plugin, which says nothing about the target |
//!
//! A configuration that does not fit the probe's type is a fault, too. It does not come that far as a rule: the host
//! validates a suite with the schema of [`Probe::Config`] before anything runs, and by [`Probe::check_config`], which
//! can say what a schema cannot.
//!
//! # A test
//!
//! On targets other than WebAssembly the clients talk to a [fake host](fake) that a test scripts, so a probe is tested
//! by `cargo test`, without a network and without a sandbox.
//!
//! ```
//! # use canary_sdk::{Check, Error, Probe, Verdict, tcp};
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Config { software: String }
//! # struct Ssh;
//! # impl Probe for Ssh {
//! #     type Config = Config;
//! #     const NAME: &'static str = "ssh";
//! #     const SUMMARY: &'static str = "";
//! #     const TARGETS: &'static [canary_sdk::TargetForm] = &[canary_sdk::TargetForm::Host];
//! #     fn run(check: &Check<Config>) -> Result<Verdict, Error> {
//! #         let banner = tcp::connect(&check.endpoint_or(22)?)?.read_line(255)?;
//! #         let mut verdict = Verdict::pass(&banner);
//! #         verdict.assert("software", banner.contains(&check.config.software), &banner);
//! #         Ok(verdict)
//! #     }
//! # }
//! use canary_sdk::Status;
//! use canary_sdk::fake::{FakeHost, Script};
//! use serde_json::json;
//!
//! // #[test]
//! fn the_banner_must_name_the_software() {
//!     let host = FakeHost::new().tcp("git:22", Script::new().send("SSH-2.0-dropbear\r\n"));
//!
//!     let verdict = host.run::<Ssh>("git", json!({ "software": "OpenSSH" })).unwrap();
//!
//!     assert_eq!(verdict.status(), Status::Fail);
//!     assert_eq!(verdict.summary(), "software: SSH-2.0-dropbear");
//!     assert_eq!(host.open_connections(), 0);
//! }
//! # the_banner_must_name_the_software();
//! ```
//!
//! # Features
//!
//! `allocator`, on by default: a plugin's global allocator is a fast one, with 256 KiB of heap that are there from the
//! start. Without it, a plugin has that of the standard library, or its own.

mod addresses;
mod check;
mod config;
mod description;
mod endpoint;
mod error;
mod network;
mod probe;
mod problem;
mod problems;
mod punycode;
mod quotas;
mod schema;
mod stopwatch;
mod timestamp;
mod units;
mod verdict;

pub mod dns;
pub mod http;
pub mod log;
pub mod secrets;
pub mod tcp;
pub mod tls;
pub mod usage;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;
#[cfg(target_family = "wasm")]
pub mod contract;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
#[cfg(target_family = "wasm")]
mod host;

#[cfg(not(target_family = "wasm"))]
use fake::backend;
#[cfg(target_family = "wasm")]
use host as backend;

/// The README, whose example is compiled as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use addresses::{AddressScope, Addresses};
pub use check::Check;
pub use description::{Metric, TargetForm};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Error, ErrorCode, NetError, Phase, Progress, QuotaDenial};
pub use network::{Network, NetworkError, Networks};
pub use probe::{NoConfig, Probe};
pub use problem::{Pointer, Problem};
pub use problems::{Invalid, Problems};
pub use quotas::Quotas;
pub use stopwatch::Stopwatch;
pub use timestamp::Timestamp;
pub use units::{ByteSize, Duration, UnitError, pattern_reason};
pub use verdict::{Assertion, Measurement, Status, Verdict};

/// What [`export_probe!`] expands to. Not part of the interface: it may change in any version.
#[doc(hidden)]
pub mod plumbing {
    pub use crate::description::Description;
    pub use crate::probe::{Request, check_config, describe, run};
}

/// Exports a [`Probe`] as the plugin that this crate builds. Call it once, at the top level of a `cdylib`.
///
/// The plugin reports the version of the calling crate. On targets other than WebAssembly nothing is exported.
#[macro_export]
macro_rules! export_probe {
    ($probe:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::contract::exports::canary::check::probe::Guest for Component {
                fn describe() -> $crate::contract::exports::canary::check::probe::Description {
                    $crate::plumbing::describe::<$probe>(env!("CARGO_PKG_VERSION")).into()
                }

                fn check_config(
                    target: Option<String>,
                    config: String,
                ) -> Vec<$crate::contract::exports::canary::check::probe::Problem> {
                    let problems = $crate::plumbing::check_config::<$probe>(target.as_deref(), &config);
                    problems.into_iter().map(Into::into).collect()
                }

                fn run(
                    request: $crate::contract::exports::canary::check::probe::Request,
                ) -> Result<$crate::contract::exports::canary::check::probe::Verdict, String> {
                    $crate::plumbing::run::<$probe>(request.into()).map(Into::into)
                }
            }

    $crate::contract::export!(Component with_types_in $crate::contract);
        };
    };
}
