//! Builds the plugins under `plugins/` for `wasm32-wasip2`; the runner embeds them.

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
