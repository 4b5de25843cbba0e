//! Builds the plugins in `plugins/` for `wasm32-wasip2`, to be embedded in the runner.
//!
//! The package of this crate has no other part of the workspace: it has the plugins already built (`.ci/package`).

#[path = "build/guests.rs"]
mod guests;

use std::path::{Path, PathBuf};

const VARIABLE: &str = "CANARY_PLUGIN";
const PLUGINS: [(&str, &str); 4] = [
    ("http", "plugins/http"),
    ("tls", "plugins/tls"),
    ("tcp", "plugins/tcp"),
    ("leak", "plugins/leak"),
];

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    // Not `plugins`: a project that vendors its dependencies may have such a folder, and `.ci/package` makes one.
    if package.join("../../runner/sandbox/Cargo.toml").is_file() {
        guests::build("../..", VARIABLE, &PLUGINS, "canary-plugin");
    } else {
        use_built(&package.join("plugins"));
    }
}

/// Sets the variables that [`guests::build`] sets, to components in `folder`.
fn use_built(folder: &Path) {
    for (name, _) in PLUGINS {
        let path = folder.join(format!("{name}.wasm"));
        let variable = name.to_uppercase();
        println!("cargo::rustc-env={VARIABLE}_{variable}={}", path.display());
    }
    println!("cargo::rerun-if-changed={}", folder.display());
}
