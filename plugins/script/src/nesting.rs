//! A limit on how deeply a script is nested.
//!
//! The parser of the engine, and what it does with a syntax tree, are recursive without a limit of their own. A script
//! that is nested too deeply would exhaust the stack and end the plugin, without a word about the reason. So its depth
//! is estimated first, from its tokens: brackets, and the operators of which one is an operand of the next.

mod token;

use token::{Token, Tokens};

/// The maximum of [`Depth::total`]: what fits the stack of the plugin (`build.rs`) and that of the sandbox, 512 KiB.
const MAX: u32 = 600;
/// What a pair of brackets adds: 75 of them may be nested.
const BRACKET: u32 = 8;
/// What an arrow adds: a function without brackets around its body.
const ARROW: u32 = 4;
/// What an operator adds whose right operand is nested in it, and a statement that is the body of another.
const STEEP: u32 = 2;
/// What an operator adds whose left operand is nested in it, such as `+` and `.`.
const SHALLOW: u32 = 1;
/// Maximum number of alternatives of a regular expression, which are nested in each other as well.
const MAX_ALTERNATIVES: usize = 200;

/// A script is nested too deeply, at this line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooDeep {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// What contains the next token, within one pair of brackets.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// The operators and statements, weighed.
    chain: u32,
    /// Each `else if` so far, weighed: the statements are nested, although each may end with a semicolon.
    elses: u32,
    /// Whether these brackets are the head of a statement, as in `if (…)`, which another statement follows.
    is_head: bool,
}

#[derive(Debug, Default)]
struct Depth {
    here: Level,
    outer: Vec<Level>,
    /// The sum of the outer levels and of all brackets.
    below: u32,
}

impl Depth {
    fn total(&self) -> u32 {
        self.below + self.here.chain + self.here.elses
    }

    fn open(&mut self, is_head: bool) {
        let inner = Level {
            is_head,
            ..Level::default()
        };
        let outer = std::mem::replace(&mut self.here, inner);
        self.below += outer.chain + outer.elses + BRACKET;
        self.outer.push(outer);
    }

    /// Returns whether a head of a statement was closed.
    fn close(&mut self) -> bool {
        // A bracket too many is for the parser to report.
        let Some(outer) = self.outer.pop() else {
            return false;
        };
        self.below -= outer.chain + outer.elses + BRACKET;
        std::mem::replace(&mut self.here, outer).is_head
    }
}

/// Refuses a script that the engine could not parse within its stack.
pub(crate) fn check(script: &str) -> Result<(), TooDeep> {
    let mut depth = Depth::default();
    // Whether the previous token ends an operand: an operand after it is in another statement.
    let mut after_operand = false;
    let (mut after_else, mut is_head_next) = (false, false);
    for (token, line, column) in Tokens::new(script) {
        match token {
            Token::Operand | Token::Regex { .. } if after_operand => depth.here.chain = 0,
            Token::If | Token::Loop => {
                if after_else {
                    depth.here.elses += STEEP;
                } else {
                    depth.here.elses = 0;
                }
                if after_operand {
                    depth.here.chain = 0;
                }
                depth.here.chain += STEEP;
                is_head_next = true;
            }
            Token::Open => {
                if after_operand {
                    // A call, an index or a body.
                    depth.here.chain += SHALLOW;
                }
                depth.open(std::mem::take(&mut is_head_next));
            }
            Token::Prefix => {
                if after_operand {
                    depth.here.chain = 0;
                }
                depth.here.chain += STEEP;
            }
            Token::Steep | Token::Else => depth.here.chain += STEEP,
            Token::Arrow => depth.here.chain += ARROW,
            Token::Shallow => depth.here.chain += SHALLOW,
            Token::End => depth.here.chain = 0,
            Token::Operand | Token::Regex { .. } | Token::Close => {}
        }
        after_else = token == Token::Else;
        after_operand = match token {
            Token::Operand | Token::Regex { .. } => true,
            Token::Close => !depth.close(),
            _ => false,
        };
        if depth.total() > MAX
            || matches!(token, Token::Regex { alternatives } if alternatives > MAX_ALTERNATIVES)
        {
            return Err(TooDeep { line, column });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
