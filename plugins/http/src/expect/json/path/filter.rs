//! The parser of filter expressions.

use super::parser::{Mistake, Parsed, Parser};
use super::{Expression, Operand, Operator, Query};
use crate::expect::decimal::OwnedDecimal;

/// The first operand of a comparison, or a test.
enum Term {
    Query(Query),
    /// A literal, or the result of a function.
    Value(Operand),
}

impl Parser<'_> {
    /// Alternatives, separated by `||`.
    pub(super) fn any(&mut self) -> Parsed<Expression> {
        self.separated("||", Self::all, Expression::Any)
    }

    fn all(&mut self) -> Parsed<Expression> {
        self.separated("&&", Self::basic, Expression::All)
    }

    fn separated(
        &mut self,
        separator: &str,
        read: fn(&mut Self) -> Parsed<Expression>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Expression> {
        let first = read(self)?;
        let mut rest = Vec::new();
        loop {
            let before = self.at();
            self.blanks();
            if !self.eat(separator) {
                self.back_to(before);
                break;
            }
            self.blanks();
            rest.push(read(self)?);
        }
        if rest.is_empty() {
            return Ok(first);
        }
        rest.insert(0, first);
        Ok(join(rest))
    }

    fn basic(&mut self) -> Parsed<Expression> {
        if self.peek() == Some('!') {
            self.next();
            self.blanks();
            let negated = match self.peek() {
                Some('(') => self.parenthesised()?,
                _ => self.exists()?,
            };
            return Ok(Expression::Not(Box::new(negated)));
        }
        match self.peek() {
            Some('(') => self.parenthesised(),
            _ => self.comparison_or_test(),
        }
    }

    fn parenthesised(&mut self) -> Parsed<Expression> {
        self.nested(|parser| {
            parser.expect("(")?;
            parser.blanks();
            let inner = parser.any()?;
            parser.blanks();
            parser.expect(")")?;
            Ok(inner)
        })
    }

    fn exists(&mut self) -> Parsed<Expression> {
        let start = self.at();
        match self.term()? {
            Term::Query(query) => Ok(Expression::Exists(query)),
            Term::Value(_) => Err(Mistake::NotCompared { at: start }),
        }
    }

    fn comparison_or_test(&mut self) -> Parsed<Expression> {
        let start = self.at();
        let left = self.term()?;
        let before = self.at();
        self.blanks();
        let Some(operator) = self.operator() else {
            self.back_to(before);
            return match left {
                Term::Query(query) => Ok(Expression::Exists(query)),
                Term::Value(_) => Err(Mistake::NotCompared { at: start }),
            };
        };
        let left = singular(left, start)?;
        self.blanks();
        let right = self.operand()?;
        Ok(Expression::Compare(left, operator, right))
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let start = self.at();
        singular(self.term()?, start)
    }

    fn operator(&mut self) -> Option<Operator> {
        let all = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::More),
        ];
        let found = all.into_iter().find(|(sign, _)| self.eat(sign));
        found.map(|(_, operator)| operator)
    }

    fn term(&mut self) -> Parsed<Term> {
        Ok(match self.peek() {
            Some('@' | '$') => Term::Query(self.query()?),
            Some('\'' | '"') => Term::Value(Operand::Text(self.string()?)),
            Some('-' | '0'..='9') => Term::Value(self.number()?),
            _ => Term::Value(self.word()?),
        })
    }

    fn query(&mut self) -> Parsed<Query> {
        let is_from_root = self.eat("$");
        if !is_from_root {
            self.expect("@")?;
        }
        Ok(Query {
            is_from_root,
            segments: self.segments()?,
        })
    }

    fn number(&mut self) -> Parsed<Operand> {
        let start = self.at();
        self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _signed = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        match OwnedDecimal::parse(self.since(start)) {
            Some(number) => Ok(Operand::Number(number)),
            None => self.unreadable(),
        }
    }

    fn digits(&mut self) -> Parsed<()> {
        match self.take_while(|digit| digit.is_ascii_digit()) {
            "" => self.unreadable(),
            _ => Ok(()),
        }
    }

    /// A keyword literal, or a function call.
    fn word(&mut self) -> Parsed<Operand> {
        let start = self.at();
        let is_part = |part: char| part.is_ascii_lowercase() || part.is_ascii_digit() || part == '_';
        let word = self.take_while(is_part);
        match (word, self.peek()) {
            ("length", Some('(')) => {
                let argument = self.argument(Self::operand)?;
                Ok(Operand::Length(Box::new(argument)))
            }
            ("count", Some('(')) => self.argument(Self::query).map(Operand::Count),
            ("value", Some('(')) => self.argument(Self::query).map(Operand::Value),
            ("null", _) => Ok(Operand::Null),
            ("true", _) => Ok(Operand::Bool(true)),
            ("false", _) => Ok(Operand::Bool(false)),
            (function, Some('(')) if !function.is_empty() => Err(Mistake::NoFunction { at: start }),
            _ => {
                self.back_to(start);
                self.unreadable()
            }
        }
    }

    fn argument<T>(&mut self, read: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nested(|parser| {
            parser.expect("(")?;
            parser.blanks();
            let argument = read(parser)?;
            parser.blanks();
            parser.expect(")")?;
            Ok(argument)
        })
    }
}

fn singular(term: Term, start: usize) -> Parsed<Operand> {
    match term {
        Term::Value(operand) => Ok(operand),
        Term::Query(query) if query.is_singular() => Ok(Operand::Query(query)),
        Term::Query(_) => Err(Mistake::NotSingular { at: start }),
    }
}
