//! A plugin whose `describe` does what is written in a part of its own file, which a test overwrites: `schema JSON`
//! gives that schema, `trap` traps, `loop` never returns, and `large BYTES` gives a schema of so many blanks.

#[cfg(target_family = "wasm")]
mod component;
