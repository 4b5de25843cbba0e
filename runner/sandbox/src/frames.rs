//! Where in its program a guest was when it ended: function names, for its author.

use rustc_demangle::demangle;
use wasmtime::WasmBacktrace;

use canary_net::ledger::Page;
use canary_run::outcome::LogLevel;

/// Frames that are named, from the innermost.
const MAX_FRAMES: usize = 8;
/// Characters of a function's name.
const MAX_NAME: usize = 120;
/// Functions through which a Rust program panics or aborts. Nobody looks for the fault there.
const RUNTIME: [&str; 8] = [
    "abort",
    "__rust",
    "std::process::abort",
    "std::panicking::",
    "std::sys::",
    "core::panicking::",
    "core::result::unwrap_failed",
    "alloc::alloc::handle_alloc_error",
];

/// The function in which the guest was, if the program has the names of its functions.
pub(super) fn innermost(error: &wasmtime::Error) -> Option<String> {
    names(error).into_iter().next()
}

/// Logs in which functions the guest was, the innermost first. Nothing is logged of a program without names.
pub(super) fn log(page: &Page, error: &wasmtime::Error) {
    let names = fold(names(error));
    if !names.is_empty() {
        page.log(
            LogLevel::Error,
            format!("it ended in {}", names.join(", called by ")),
            Vec::new(),
        );
    }
}

fn names(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name());
    let names = names.map(|name| format!("{:#}", demangle(name)));
    names
        .skip_while(|name| RUNTIME.iter().any(|prefix| name.starts_with(prefix)))
        .map(|name| name.chars().take(MAX_NAME).collect())
        .collect()
}

/// The names in backticks; a function that called itself is named once.
fn fold(names: Vec<String>) -> Vec<String> {
    let mut folded: Vec<(String, usize)> = Vec::new();
    for name in names {
        match folded.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => folded.push((name, 1)),
        }
    }
    folded.truncate(MAX_FRAMES);
    let named = folded.into_iter().map(|(name, count)| match count {
        1 => format!("`{name}`"),
        _ => format!("`{name}` ({count} times)"),
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_called_itself_is_named_once() {
        let names = ["deep", "deep", "deep", "run", "deep", "main"].map(str::to_owned);
        let folded = fold(names.to_vec());
        assert_eq!(folded, ["`deep` (3 times)", "`run`", "`deep`", "`main`"]);
    }

    #[test]
    fn no_more_than_eight_functions_are_named() {
        let names = (0..20).map(|number| format!("f{number}")).collect();
        assert_eq!(fold(names).len(), MAX_FRAMES);
    }
}
