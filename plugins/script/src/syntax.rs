//! Validation of a script before it runs.

use boa_engine::Source;
use boa_engine::ast::scope::Scope;
use boa_engine::ast::{Position, Spanned as _};
use boa_engine::interner::Interner;
use boa_engine::parser::lexer::Error as LexError;
use boa_engine::parser::{Error as ParseError, Parser};

use crate::config::MAX_SCRIPT_BYTES;
use crate::nesting::{self, TooDeep};
use crate::source::wrapped;

/// Maximum length in characters of what a message quotes of a script.
const MAX_QUOTED: usize = 40;

/// Why a script cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SyntaxError {
    #[error("is longer than 64 KiB ({0} bytes)")]
    TooLong(usize),
    #[error("line {}, column {}: the script is nested too deeply: split it into functions and statements", .0.line, .0.column)]
    TooDeep(TooDeep),
    #[error("line {line}, column {column}: {message}")]
    At { line: u32, column: u32, message: String },
    #[error("line {line}: {message}")]
    OnLine { line: usize, message: String },
    #[error("{0}")]
    Nowhere(String),
}

/// Parses a script as the body of an async function.
pub(crate) fn check(script: &str) -> Result<(), SyntaxError> {
    if script.len() > MAX_SCRIPT_BYTES {
        return Err(SyntaxError::TooLong(script.len()));
    }
    nesting::check(script).map_err(SyntaxError::TooDeep)?;
    let mut parser = Parser::new(Source::from_bytes(script));
    parser.set_strict();
    let parsed = parser.parse_function_body(&mut Interner::default(), false, true);
    let body = parsed.map_err(|error| explain(error, script))?;
    // The parser stops at a brace, which would end the function around the script.
    if is_one_function(script) {
        return Ok(());
    }
    let after = body.span().end();
    Err(SyntaxError::At {
        line: after.line_number(),
        column: after.column_number().saturating_sub(1).max(1),
        message: "unexpected `}`, which nothing opens".into(),
    })
}

/// Whether a script is the body of one function, and nothing beyond it.
fn is_one_function(script: &str) -> bool {
    let wrapped = wrapped(script);
    let mut parser = Parser::new(Source::from_bytes(&wrapped));
    parser.set_strict();
    let parsed = parser.parse_script(&Scope::new_global(), &mut Interner::default());
    parsed.is_ok_and(|parsed| parsed.statements().len() == 1)
}

fn explain(error: ParseError, script: &str) -> SyntaxError {
    match error {
        ParseError::Expected {
            expected,
            found,
            span,
            ..
        } => {
            let expected: Vec<_> = expected.iter().map(|token| format!("`{token}`")).collect();
            let found = quoted(&found);
            at(
                span.start(),
                format!("{found}, expected {}", expected.join(" or ")),
            )
        }
        ParseError::Unexpected { found, span, message } => {
            at(span.start(), format!("{}: {message}", quoted(&found)))
        }
        ParseError::Lex {
            err: LexError::Syntax(message, position),
        } => at(position, message.into_string()),
        ParseError::General { message, position } => at(position, message.into_string()),
        ParseError::AbruptEnd => {
            let line = script.lines().count().max(1);
            let column = script.lines().last().map_or(0, |line| line.chars().count()) + 1;
            SyntaxError::At {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column: u32::try_from(column).unwrap_or(u32::MAX),
                message: "the script ends here, in the middle of a statement".into(),
            }
        }
        other => {
            let message = other.to_string();
            match line_of(&message, script) {
                Some(line) => SyntaxError::OnLine { line, message },
                None => SyntaxError::Nowhere(message),
            }
        }
    }
}

/// The line that an error is in for which the engine has no position, such as a text without an end: the first line
/// with which the beginning of the script has the same error.
fn line_of(message: &str, script: &str) -> Option<usize> {
    let ends: Vec<usize> = script
        .match_indices('\n')
        .map(|(index, _)| index + 1)
        .chain([script.len()])
        .collect();
    let has_error = |end: &usize| {
        let start = script.get(..*end).unwrap_or_default();
        let parsed =
            Parser::new(Source::from_bytes(start)).parse_function_body(&mut Interner::default(), false, true);
        parsed.is_err_and(|error| error.to_string() == message)
    };
    let before = ends.partition_point(|end| !has_error(end));
    (before < ends.len()).then_some(before + 1)
}

fn at(position: Position, message: String) -> SyntaxError {
    SyntaxError::At {
        line: position.line_number(),
        column: position.column_number(),
        message,
    }
}

fn quoted(found: &str) -> String {
    let line = found.lines().next().unwrap_or_default();
    if line.is_empty() {
        return "unexpected end of the line".into();
    }
    let cut: String = line.chars().take(MAX_QUOTED).collect();
    format!("unexpected `{cut}`")
}
