//! A plugin whose `describe` executes a script in its own file, which a test overwrites: `schema JSON` returns that
//! schema, `trap` traps, `loop` never returns, and `large BYTES` returns a schema of so many blanks.

#[cfg(target_family = "wasm")]
mod component;
