//! Builds the hostile guest for `wasm32-wasip2`; the harness embeds it.

#[path = "../runner/build/guests.rs"]
mod guests;

fn main() {
    guests::build(
        "CANARY_GUEST",
        &[("hostile", "tests/guests/hostile")],
        "canary-guest",
    );
}
