//! The source that the engine has of a script: the body of an async function, which is called.

/// What a script is the body of. It has no line of its own, so that the lines of the script are those of the suite.
const BEFORE: &str = "(async()=>{";
const AFTER: &str = "\n})()";
/// Columns by which the first line of a script is shifted.
pub(crate) const SHIFT: u32 = 11;
/// How positions in the script are called in a stack trace.
pub(crate) const PATH: &str = "script";

/// A script as the body of a function, which is called.
pub(crate) fn wrapped(script: &str) -> String {
    format!("{BEFORE}{script}{AFTER}")
}
