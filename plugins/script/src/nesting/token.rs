//! The tokens of a script, as far as its depth depends on them.

use std::iter::Peekable;
use std::str::Chars;

/// A token, or several that have the same effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a number, a string.
    Operand,
    /// A regular expression, with the number of its alternatives.
    Regex { alternatives: usize },
    /// `(`, `[`, `{`, or what a template literal inserts.
    Open,
    /// The end of one of these.
    Close,
    /// A keyword before an operand.
    Prefix,
    /// `=>`.
    Arrow,
    /// An operator before an operand, or one that is right-associative.
    Steep,
    /// An operator that is left-associative.
    Shallow,
    /// `if`, which a head in parentheses and another statement follow.
    If,
    /// `for`, `while`, `with`: the same.
    Loop,
    /// `else` or `do`, which another statement follows.
    Else,
    /// The end of a statement, or of an element of a list.
    End,
}

/// Keywords before an operand.
const PREFIXES: [&str; 8] = [
    "await", "delete", "new", "return", "throw", "typeof", "void", "yield",
];
/// Keywords between two operands.
const OPERATORS: [&str; 3] = ["in", "instanceof", "of"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// Of arguments, of elements, or of properties: a comma separates them.
    List,
    /// Around an expression: a comma is an operator.
    Expression,
    /// Around statements.
    Block,
    /// Around what a template literal inserts.
    Template,
}

/// What the previous token was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Previous {
    /// The end of an operand, after which a slash divides.
    Operand,
    /// An operator, after which a brace begins an object.
    Operator,
    /// Anything else.
    Boundary,
}

/// Reads the tokens of a script, each with its line and column, which count from 1.
#[derive(Debug)]
pub(super) struct Tokens<'s> {
    rest: Peekable<Chars<'s>>,
    line: u32,
    column: u32,
    brackets: Vec<Bracket>,
    previous: Previous,
}

impl<'s> Tokens<'s> {
    pub(super) fn new(script: &'s str) -> Self {
        Self {
            rest: script.chars().peekable(),
            line: 1,
            column: 0,
            brackets: Vec::new(),
            previous: Previous::Boundary,
        }
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 0;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(next)
    }

    fn take_if(&mut self, expected: char) -> bool {
        let is_next = self.rest.peek() == Some(&expected);
        if is_next {
            self.take();
        }
        is_next
    }

    fn take_while(&mut self, mut belongs: impl FnMut(char) -> bool) {
        while self.rest.peek().is_some_and(|next| belongs(*next)) {
            self.take();
        }
    }

    fn open(&mut self, bracket: Bracket) -> Token {
        self.brackets.push(bracket);
        self.previous = match bracket {
            Bracket::Block => Previous::Boundary,
            _ => Previous::Operator,
        };
        Token::Open
    }

    /// The end of a bracket; what a template literal inserted is followed by the rest of its text.
    fn close(&mut self) -> Token {
        let closed = self.brackets.pop();
        self.previous = match closed {
            Some(Bracket::Block) => Previous::Boundary,
            _ => Previous::Operand,
        };
        if closed == Some(Bracket::Template) && self.template() {
            self.brackets.push(Bracket::Template);
            self.previous = Previous::Operator;
            return Token::End;
        }
        Token::Close
    }

    /// Skips the text of a template literal; whether it ends at something to insert.
    fn template(&mut self) -> bool {
        while let Some(next) = self.take() {
            match next {
                '\\' => drop(self.take()),
                '`' => return false,
                '$' if self.take_if('{') => return true,
                _ => {}
            }
        }
        false
    }

    fn string(&mut self, quote: char) {
        while let Some(next) = self.take() {
            match next {
                '\\' => drop(self.take()),
                '\n' => return,
                _ if next == quote => return,
                _ => {}
            }
        }
    }

    fn regex(&mut self) -> Token {
        let (mut alternatives, mut in_class) = (1, false);
        while let Some(next) = self.take() {
            match next {
                '\\' => drop(self.take()),
                '[' => in_class = true,
                ']' => in_class = false,
                '|' => alternatives += 1,
                '/' if !in_class => break,
                '\n' => break,
                _ => {}
            }
        }
        self.take_while(char::is_alphanumeric);
        Token::Regex { alternatives }
    }

    /// Skips a comment; the star and the slash are those of its beginning.
    fn block_comment(&mut self) {
        while let Some(next) = self.take() {
            if next == '*' && self.take_if('/') {
                return;
            }
        }
    }

    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        self.take_while(|next| {
            let belongs = next.is_alphanumeric() || "_$#".contains(next);
            if belongs {
                word.push(next);
            }
            belongs
        });
        let word = word.as_str();
        if PREFIXES.contains(&word) {
            return Token::Prefix;
        }
        if OPERATORS.contains(&word) {
            return Token::Shallow;
        }
        match word {
            "if" => Token::If,
            "for" | "while" | "with" => Token::Loop,
            "else" | "do" => Token::Else,
            _ => Token::Operand,
        }
    }

    fn token(&mut self, first: char) -> Option<Token> {
        let is_operand = self.previous == Previous::Operand;
        Some(match first {
            '(' if is_operand => self.open(Bracket::List),
            '(' => self.open(Bracket::Expression),
            '[' if is_operand => self.open(Bracket::Expression),
            '[' => self.open(Bracket::List),
            '{' if self.previous == Previous::Operator => self.open(Bracket::List),
            '{' => self.open(Bracket::Block),
            ')' | ']' | '}' => self.close(),
            '`' if self.template() => self.open(Bracket::Template),
            '`' => self.after(Token::Operand),
            '"' | '\'' => {
                self.string(first);
                self.after(Token::Operand)
            }
            '/' if self.take_if('/') => {
                self.take_while(|next| next != '\n');
                return None;
            }
            '/' if self.take_if('*') => {
                self.block_comment();
                return None;
            }
            '/' if !is_operand => {
                let regex = self.regex();
                self.after(regex)
            }
            _ if first.is_whitespace() => return None,
            _ if first.is_alphanumeric() || "_$#@\\".contains(first) => {
                let word = self.word(first);
                self.after(word)
            }
            _ => return self.operator(first),
        })
    }

    fn operator(&mut self, first: char) -> Option<Token> {
        Some(match first {
            ';' => self.after(Token::End),
            ',' if self.brackets.last() == Some(&Bracket::List) => {
                self.previous = Previous::Operator;
                Token::End
            }
            '=' if self.take_if('>') => {
                // A brace after it begins a body.
                self.previous = Previous::Boundary;
                Token::Arrow
            }
            // A part of a condition, a label, a value of an object, or an assignment.
            '?' | ':' | '!' | '~' | '=' => {
                // Several characters are one operator, such as `===`, `!==`, `?.` and `??`.
                self.take_while(|next| next == '=' || next == '?' || next == '.');
                self.after(Token::Steep)
            }
            '*' if self.take_if('*') => self.after(Token::Steep),
            '+' | '-' => {
                let is_twice = self.take_if(first);
                match (self.previous, is_twice) {
                    // `++` after an operand leaves it what it is.
                    (Previous::Operand, true) => return None,
                    (Previous::Operand, false) => self.after(Token::Shallow),
                    _ => self.after(Token::Steep),
                }
            }
            _ => {
                // Twice the same is one operator, such as `&&` and `...`.
                self.take_while(|next| next == first);
                self.after(Token::Shallow)
            }
        })
    }

    /// Notes what a token is for the next one.
    fn after(&mut self, token: Token) -> Token {
        self.previous = match token {
            Token::Operand | Token::Regex { .. } => Previous::Operand,
            Token::Prefix | Token::Steep | Token::Shallow => Previous::Operator,
            _ => Previous::Boundary,
        };
        token
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.take()?;
            let (line, column) = (self.line, self.column);
            if let Some(token) = self.token(first) {
                return Some((token, line, column));
            }
        }
    }
}
