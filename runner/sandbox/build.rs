//! Builds the plugins in `plugins/` for `wasm32-wasip2`, to be embedded in the runner.
//!
//! The package of this crate has no other part of the workspace: it has the plugins already built (`.ci/package`).

#[path = "build/guests.rs"]
mod guests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;

const VARIABLE: &str = "CANARY_PLUGIN";
const PLUGINS: [(&str, &str); 5] = [
    ("http", "plugins/http"),
    ("tls", "plugins/tls"),
    ("tcp", "plugins/tcp"),
    ("script", "plugins/script"),
    ("leak", "plugins/leak"),
];

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    // Not `plugins`: a project that vendors its dependencies may have such a folder, and `.ci/package` makes one.
    let components = if package.join("../../runner/sandbox/Cargo.toml").is_file() {
        guests::build("../..", VARIABLE, &PLUGINS, "canary-plugin")
    } else {
        use_built(&package.join("plugins"))
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    for ((name, _), component) in PLUGINS.iter().zip(components) {
        let compressed = out.join(format!("{name}.deflate"));
        if let Err(error) = compress(&component, &compressed) {
            guests::fail(&format!("cannot compress {}: {error}", component.display()));
        }
    }
}

/// Sets the variables that [`guests::build`] sets, to components in `folder`.
fn use_built(folder: &Path) -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let built = |(name, _): &(&str, &str)| {
        let path = folder.join(format!("{name}.wasm"));
        let variable = name.to_uppercase();
        println!("cargo::rustc-env={VARIABLE}_{variable}={}", path.display());
        path
    };
    PLUGINS.iter().map(built).collect()
}

/// Keeps the program small: a compressed component has less than half its size.
fn compress(component: &Path, into: &Path) -> io::Result<()> {
    let mut encoder = DeflateEncoder::new(File::create(into)?, Compression::best());
    io::copy(&mut File::open(component)?, &mut encoder)?;
    encoder.finish()?;
    Ok(())
}
