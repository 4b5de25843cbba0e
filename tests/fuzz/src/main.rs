//! Fuzz targets for all parsers of untrusted input. Each asserts more than the absence of panics.
//!
//! `.ci/fuzz` builds and runs them, `.ci/fuzz 600 suite` one of them for ten minutes. libFuzzer comes with the crate
//! `libfuzzer-sys` and is all that takes a C++ compiler, so this package is not among the workspace's default members.
//! The pinned stable toolchain is enough: what cargo-fuzz needs nightly for is AddressSanitizer, of little use for code
//! that denies `unsafe`. `.ci/rustc-fuzz` adds the instrumentation by `RUSTC_WORKSPACE_WRAPPER` to the code under test
//! alone, so that all dependencies are those of the other builds, and what is found in them is found blindly.
//!
//! One program holds all targets, since linking is most of a build: `CANARY_FUZZ_TARGET` names the one to run. The
//! seeds are in `seeds`, a folder for each target. An input that was found to break something becomes a unit test where
//! the mistake was.
#![no_main]

mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

/// The target to run.
static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var_os("CANARY_FUZZ_TARGET").unwrap_or_default();
    let known = targets::ALL.iter().find(|(known, _)| name == *known);
    known.map(|(_, target)| *target).unwrap_or_else(|| {
        let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
        fail(&format!("set CANARY_FUZZ_TARGET to one of: {}", names.join(", ")))
    })
});

fuzz_target!(init: LazyLock::force(&TARGET), |data: &[u8]| TARGET(data));

#[expect(clippy::exit, clippy::print_stderr, reason = "the `main` is libFuzzer's")]
fn fail(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(64)
}
