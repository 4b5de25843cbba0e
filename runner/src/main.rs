//! The `canary` command.
fn main() {}
