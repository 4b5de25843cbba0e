//! Builds the guests of the tests and benches for `wasm32-wasip2`.

#[path = "../runner/sandbox/build/guests.rs"]
mod guests;

fn main() {
    guests::build(
        "..",
        "CANARY_GUEST",
        &[
            ("hostile", "tests/guests/hostile"),
            ("empty", "tests/guests/empty"),
            ("scripted", "tests/guests/scripted"),
        ],
        "canary-guest",
    );
}
