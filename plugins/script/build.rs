//! Links the plugin with a larger stack than the other plugins have.

/// Bytes. The parser of the engine takes up to 20 KiB for each pair of brackets around a piece of a script, and
/// `src/nesting.rs` has the limit that fits.
const STACK: u32 = 2 << 20;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Only the linker of WebAssembly knows it.
    if std::env::var_os("CARGO_CFG_TARGET_FAMILY").is_none_or(|family| family != "wasm") {
        return;
    }
    // It comes after the argument for all guests (`runner/sandbox/build/rustflags`), and the linker takes the last.
    println!("cargo::rustc-link-arg-cdylib=-zstack-size={STACK}");
}
