//! Output before the log exists: problems of arguments, which are quoted and may contain anything.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::report;

/// Prints help that was requested, or the problem of the arguments; in the latter case the exit code is `code`.
pub(super) fn print_refusal(error: &clap::Error, code: u8) -> ExitCode {
    // The output is closed, and there is no other place to report that.
    if !error.use_stderr() {
        let _closed = error.print();
        return ExitCode::SUCCESS;
    }
    let _closed = clap::Error::raw(error.kind(), plain(error)).print();
    ExitCode::from(code)
}

/// The exit code of work that was done before the log exists.
pub(super) fn exit_code(done: std::io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The output is closed, and there is no other place to report that.
            let _closed = clap::Error::raw(ErrorKind::Io, format!("{error}\n")).print();
            ExitCode::FAILURE
        }
    }
}

/// Line by line, escaped for a terminal, without the prefix of the library.
fn plain(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let text = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    text.lines().map(|line| report::sanitize(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn an_argument_that_is_not_understood_does_nothing_to_a_terminal() {
        for argument in [
            "--x\x1b[2J",
            "--concurrency=\x1b]0;title\x07",
            "\u{9b}31m",
            "--admin=\u{202e}x",
        ] {
            let error = Cli::try_parse_from(["canary", argument]).unwrap_err();
            let text = plain(&error);
            let unsafe_chars = text.chars().filter(|char| char.is_control() && *char != '\n');
            assert_eq!(unsafe_chars.count(), 0, "{text:?}");
            assert!(!text.contains('\u{202e}') && text.contains("--help"), "{text:?}");
        }
    }
}
