//! Runs cargo for guests in a build script. Also used by the build script of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
/// The stack is at the start of a Rust guest's memory, 1 MiB by default. Smaller instances start faster.
const RUSTFLAGS: &str = include_str!("rustflags");

/// Builds the packages `<prefix>-<name>` of the workspace at `root`, relative to the package, and sets
/// `<variable>_<NAME>` to the path of each component. Returns these paths.
///
/// The guests have a separate target folder, since the outer cargo holds the lock of its own, and an environment
/// without the settings of the outer cargo, which are for the host.
pub(super) fn build(root: &str, variable: &str, guests: &[(&str, &str)], prefix: &str) -> Vec<PathBuf> {
    // Read at run time: two checkouts may share a target folder, and with it this build script.
    let root = Path::new(&variable_of_cargo("CARGO_MANIFEST_DIR")).join(root);
    let target_dir = PathBuf::from(variable_of_cargo("OUT_DIR")).join("guests");
    let mut cargo = Command::new(variable_of_cargo("CARGO"));
    cargo
        .current_dir(&root)
        .args(["build", "--locked", "--profile", "guest", "--target", TARGET]);
    cargo.arg("--target-dir").arg(&target_dir);
    for (name, _) in guests {
        cargo.args(["--package", &format!("{prefix}-{name}")]);
    }
    clear_environment(&mut cargo);
    cargo.env("RUSTFLAGS", RUSTFLAGS.trim_end());
    let status = cargo
        .status()
        .unwrap_or_else(|error| fail(&format!("cannot run cargo for the plugins: {error}")));
    if !status.success() {
        fail(&format!(
            "the plugins do not build for {TARGET}; if the target is missing, `rustup toolchain install` in this \
             folder adds it"
        ));
    }
    let mut paths = Vec::new();
    for (name, _) in guests {
        let file = format!("{prefix}-{name}.wasm").replace('-', "_");
        let path = target_dir.join(TARGET).join("guest").join(file);
        println!(
            "cargo::rustc-env={variable}_{}={}",
            name.to_uppercase(),
            path.display()
        );
        paths.push(path);
    }
    let shared = ["sdk", "Cargo.toml", "Cargo.lock", "runner/sandbox/build"];
    let folders = guests.iter().map(|(_, folder)| *folder);
    for path in shared.into_iter().chain(folders) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    paths
}

fn clear_environment(cargo: &mut Command) {
    for (key, _) in std::env::vars_os() {
        let Some(name) = key.to_str() else { continue };
        let is_outer = name.starts_with("CARGO_")
            && ![
                "CARGO_HOME",
                "CARGO_NET_",
                "CARGO_HTTP_",
                "CARGO_REGISTR",
                "CARGO_SOURCE_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let is_compiler = [
            "RUSTFLAGS",
            "RUSTDOCFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
        ]
        .contains(&name);
        if is_outer || is_compiler || name.starts_with("CLIPPY_") {
            cargo.env_remove(&key);
        }
    }
}

fn variable_of_cargo(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_else(|| fail(&format!("cargo does not set `{name}`")))
}

#[expect(clippy::exit, reason = "this is how a build script fails")]
pub(super) fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
