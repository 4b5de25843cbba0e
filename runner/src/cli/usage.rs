//! Output before the log exists: problems of arguments, which are quoted and may contain anything.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use canary_run::report;
use canary_suite::{quoted, without_secrets};

/// Prints help that was requested, or the problem of the arguments; in the latter case the exit code is `code`.
pub(super) fn print_refusal(error: &clap::Error, code: u8) -> ExitCode {
    // The output is closed, and there is no other place to report that.
    if !error.use_stderr() {
        let _closed = error.print();
        return ExitCode::SUCCESS;
    }
    // Help because the command is missing: it is not an error message, and is printed as if it had been requested.
    let _closed = if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.print()
    } else {
        clap::Error::raw(error.kind(), plain(error)).print()
    };
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

/// Line by line, escaped for a terminal, without secrets and the prefix of the library.
fn plain(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let text = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    let text = without_secret_value(error, text);
    let mut lines: String = text.lines().map(|line| report::sanitize(line) + "\n").collect();
    lines.extend(suite_tip(error));
    lines
}

/// The text of an error without a secret in the value that it is about, which may have its name in it or be a URL.
fn without_secret_value(error: &clap::Error, text: &str) -> String {
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else {
        return text.to_owned();
    };
    let shown = without_secrets(&quoted(value));
    let shown = format!("'{}'", shown.trim_matches('`'));
    without_secrets(&text.replacen(&format!("'{value}'"), &shown, 1))
}

/// What somebody meant who gave a suite in place of a command.
fn suite_tip(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let file = report::sanitize(word);
    let is_suite = [".yaml", ".yml"].iter().any(|ending| file.ends_with(ending));
    is_suite.then(|| {
        format!(
            "\n  tip: `canary check {file}` runs its checks once, `canary run {file}` runs them on \
             their schedule\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn problem(arguments: &[&str]) -> String {
        let arguments = ["canary"].iter().chain(arguments);
        plain(&Cli::from_arguments(arguments.map(Into::into)).unwrap_err())
    }

    #[test]
    fn an_option_of_an_earlier_version_still_works() {
        for arguments in [
            &["check", "suite.yaml", "--only", "a"][..],
            &["check", "suite.yaml", "--only=a"],
            &["status", "--json"],
            &["connections", "--json"],
            &["validate", "suite.yaml", "--no-cache"],
            &["run", "suite.yaml", "--state", "none"],
        ] {
            let arguments = ["canary"].iter().chain(arguments);
            let parsed = Cli::from_arguments(arguments.map(Into::into));
            assert!(parsed.is_ok(), "{:?}", parsed.err());
        }
    }

    #[test]
    fn an_option_is_refused_by_a_command_that_does_not_use_it() {
        for arguments in [
            &["schema", "--admin", "none"][..],
            &["schema", "--block-networks", "private"],
            &["top", "--cache-dir", "none"],
            &["alert", "test", "--concurrency", "1"],
            &["plugin", "list", "--state-dir", "none"],
        ] {
            let problem = problem(arguments);
            assert!(
                problem.contains("unexpected argument"),
                "{arguments:?}: {problem}"
            );
        }
    }

    #[test]
    fn an_argument_that_is_not_understood_shows_no_secret() {
        let secret = "Zq7Wk2Rv9Xj4Mp8T";
        let long = "x".repeat(5_000);
        for arguments in [
            &["--var", &format!("password={secret}{long}")][..],
            &["--var", &format!("password={secret}${{env:A}}")],
            &["--var", &format!("password={secret}${{var:a}}")],
            &["--var", &format!("password=a`{secret}${{var:a}}")],
            &["--var", &format!("password:{secret}")],
            &["--var", &format!("password {secret}")],
            &["--var", &format!("password:{secret}=x")],
            &["--admin", &format!("http://u:{secret}@a.test:99999")],
            &["--admin", &format!("http://{secret}@a.test:99999")],
            &["--admin", &format!("a.test/?api_key={secret}")],
            &["--admin", &format!("htp://a.test/?x={secret}")],
            &["--concurrency", &format!("token={secret}")],
        ] {
            let arguments: Vec<&str> = ["run", "suite.yaml"].iter().chain(arguments).copied().collect();
            let text = problem(&arguments);
            assert!(
                !text.contains(&secret[..8]) && text.contains("invalid value"),
                "{text}"
            );
        }
        let text = problem(&["run", "suite.yaml", "--concurrency", "many"]);
        assert!(text.contains("invalid value 'many' for '--concurrency"), "{text}");
    }

    #[test]
    fn an_argument_that_is_not_understood_does_nothing_to_a_terminal() {
        for arguments in [
            &["--x\x1b[2J"][..],
            &["run", "suite.yaml", "--concurrency=\x1b]0;title\x07"],
            &["\u{9b}31m"],
            &["run", "suite.yaml", "--admin=\u{202e}x"],
        ] {
            let text = problem(arguments);
            let unsafe_chars = text.chars().filter(|char| char.is_control() && *char != '\n');
            assert_eq!(unsafe_chars.count(), 0, "{text:?}");
            assert!(!text.contains('\u{202e}') && text.contains("--help"), "{text:?}");
        }
    }
}
