//! Builds the plugins in `plugins/` for `wasm32-wasip2`, to be embedded in the runner.

#[path = "build/guests.rs"]
mod guests;

fn main() {
    guests::build(
        "CANARY_PLUGIN",
        &[
            ("http", "plugins/http"),
            ("tls", "plugins/tls"),
            ("tcp", "plugins/tcp"),
            ("leak", "plugins/leak"),
        ],
        "canary-plugin",
    );
}
