//! Where a script uses a name: the engine notes no position for that.

use std::ops::ControlFlow;

use boa_engine::Source;
use boa_engine::ast::Spanned as _;
use boa_engine::ast::expression::Identifier;
use boa_engine::ast::visitor::{VisitWith as _, Visitor};
use boa_engine::interner::{Interner, Sym};
use boa_engine::parser::Parser;

/// A line and a column, which count from 1.
pub(crate) type Place = (u32, u32);

/// The first use of a name at or after a place, or the first one at all.
pub(crate) fn find(script: &str, name: &str, from: Option<Place>) -> Option<Place> {
    let mut interner = Interner::default();
    let mut parser = Parser::new(Source::from_bytes(script));
    let body = parser.parse_function_body(&mut interner, false, true).ok()?;
    let mut uses = Uses {
        name: interner.get(name)?,
        places: Vec::new(),
    };
    let _finished = body.visit_with(&mut uses);
    let next = uses
        .places
        .iter()
        .filter(|place| from.is_none_or(|from| **place >= from))
        .min();
    next.or(uses.places.iter().min()).copied()
}

struct Uses {
    name: Sym,
    places: Vec<Place>,
}

impl<'ast> Visitor<'ast> for Uses {
    type BreakTy = ();

    fn visit_identifier(&mut self, identifier: &'ast Identifier) -> ControlFlow<()> {
        if identifier.sym() == self.name {
            let start = identifier.span().start();
            self.places.push((start.line_number(), start.column_number()));
        }
        ControlFlow::Continue(())
    }
}
