//! What is said before there is a log: of arguments that are not understood, which are quoted and may be anything.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::report;

/// Prints help that was asked for, or what is wrong with the arguments; then the exit code is `code`.
pub(super) fn refused(error: &clap::Error, code: u8) -> ExitCode {
    // There is nowhere left to say that the output is closed.
    if !error.use_stderr() {
        let _closed = error.print();
        return ExitCode::SUCCESS;
    }
    let _closed = clap::Error::raw(error.kind(), plain(error)).print();
    ExitCode::from(code)
}

/// The exit code of what is done before there is a log.
pub(super) fn worked(done: std::io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to say that the output is closed.
            let _closed = clap::Error::raw(ErrorKind::Io, format!("{error}\n")).print();
            ExitCode::FAILURE
        }
    }
}

/// Line by line, fit for a terminal, without the word that the library puts before it.
fn plain(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let text = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    text.lines().map(|line| report::plain(line) + "\n").collect()
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
            let told = plain(&error);
            let unsafe_chars = told.chars().filter(|char| char.is_control() && *char != '\n');
            assert_eq!(unsafe_chars.count(), 0, "{told:?}");
            assert!(!told.contains('\u{202e}') && told.contains("--help"), "{told:?}");
        }
    }
}
