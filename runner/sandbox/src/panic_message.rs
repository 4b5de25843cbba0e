//! What a guest wrote to standard error before it trapped, in the words of its author.

/// The text of a trap: the panic of a Rust program as `panicked: MESSAGE (FILE:LINE)`, or else the trap and what was
/// written, in one line.
pub(super) fn describe(trap: &str, written: &str) -> String {
    if let Some(panic) = rust_panic(written) {
        return panic;
    }
    let written = one_line(written.lines());
    if written.is_empty() {
        trap.to_owned()
    } else {
        format!("{trap}: {written}")
    }
}

/// The last panic of a Rust program:
///
/// ```text
/// thread 'main' panicked at src/lib.rs:10:52:
/// index out of bounds: the len is 2 but the index is 15
/// note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
/// ```
fn rust_panic(written: &str) -> Option<String> {
    const BEGIN: &str = " panicked at ";
    let (before, rest) = written.rsplit_once(BEGIN)?;
    before
        .lines()
        .next_back()
        .filter(|line| line.starts_with("thread "))?;
    let (place, message) = rest.split_once(":\n")?;
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    let is_advice = |line: &&str| !line.starts_with("note: run with `RUST_BACKTRACE=");
    let message = one_line(message.lines().filter(is_advice));
    Some(format!("panicked: {message} ({file}:{line})"))
}

fn one_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAP: &str = "wasm `unreachable` instruction executed";

    #[test]
    fn the_panic_of_a_rust_program_is_its_message_and_its_place() {
        let written = "some note\n\nthread '<unnamed>' (1) panicked at src/lib.rs:10:52:\nindex out of bounds: the len is 2 but \
                       the index is 15\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(
            describe(TRAP, written),
            "panicked: index out of bounds: the len is 2 but the index is 15 (src/lib.rs:10)"
        );
        let lines = "thread 'main' panicked at /a b/c.rs:1:2:\nassertion failed\n  left: 1\n right: 2\n";
        assert_eq!(
            describe(TRAP, lines),
            "panicked: assertion failed left: 1 right: 2 (/a b/c.rs:1)"
        );
    }

    #[test]
    fn anything_else_follows_the_trap() {
        for (written, expected) in [
            ("", TRAP.to_owned()),
            (" \n", TRAP.to_owned()),
            ("fatal: no\n memory\n", format!("{TRAP}: fatal: no memory")),
            ("he panicked at noon", format!("{TRAP}: he panicked at noon")),
            (
                "thread x panicked at a:\nb",
                format!("{TRAP}: thread x panicked at a: b"),
            ),
        ] {
            assert_eq!(describe(TRAP, written), expected);
        }
    }
}
