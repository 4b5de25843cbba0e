//! Parses YAML into a tree within limits on time, depth and memory.

mod syntax_error;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};

use self::syntax_error::{syntax, too_deep};
use super::budget::Budget;
use super::merge;
use super::report::Report;
use super::source::Source;
use super::tree::scalar::{self, Plain, TagMeaning};
use super::tree::{Entry, Kind, Node, quoted};
use crate::problem::{Position, Problem};

/// Maximum nesting of lists and mappings.
const MAX_DEPTH: usize = 64;
/// Maximum number of values that all aliases of a file expand to.
const MAX_ALIASED: u64 = 1_000_000;
/// Bytes of an element of a list, and of a key with its value: once as written, and once with references replaced.
const ELEMENT_BYTES: usize = 2 * size_of::<Node>();
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();
/// Bytes of a list, a mapping or a text besides its content.
const ALLOCATION_BYTES: usize = 32;
/// Bytes of a number or a boolean besides its text.
const PLAIN_BYTES: usize = size_of::<Plain>() + ALLOCATION_BYTES;
/// Bytes of a text, a number or a boolean in the table of those that are interned.
const INTERNED_BYTES: usize = 56;
/// Bytes of an anchor: here, and in the parser.
const ANCHOR_BYTES: usize = 2 * size_of::<AnchoredNode>() + 128;
/// Bytes of a value behind an alias: none in the tree, but the configuration of each check has a copy.
const ALIASED_BYTES: usize = 64;
/// Bytes of a key while it is compared with the others of a large mapping.
const COMPARED_BYTES: usize = 2 * size_of::<Entry>();
/// Bytes of a line in the index of lines, for problems.
const LINE_BYTES: usize = 3 * size_of::<usize>();
/// Number of bytes of text that count as one value.
const BYTES_PER_VALUE: usize = 64;
/// Maximum size of a text that is interned.
const MAX_SHARED_BYTES: usize = 24;

/// The document of a file, or nothing if it is empty or broken. Stops where the budget is exceeded.
pub(super) fn parse(source: &Source, budget: &mut Budget, report: &mut Report) -> Option<Node> {
    let is_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
    let lines = source.text.as_bytes().iter().filter(is_end).count();
    budget.keep(source.text.len().saturating_add(lines.saturating_mul(LINE_BYTES)));
    if budget.is_exceeded() {
        report.add(budget.problem(source, None));
        return None;
    }
    let root = build(&mut Builder::new(source, budget, report));
    if !budget.is_exceeded() {
        budget.end_file();
    }
    root
}

fn build(builder: &mut Builder<'_>) -> Option<Node> {
    let limits = options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    for event in Parser::new_from_str_with_options(&builder.source.text, limits) {
        let result = match event {
            Ok((event, span)) => builder.handle(event, span),
            Err(error) => Err(syntax(builder.source, &error)),
        };
        if let Err(problem) = result {
            builder.report.add(problem);
            return None;
        }
    }
    builder.root.take()
}

/// An anchored node, and its size with aliases expanded.
#[derive(Clone)]
struct AnchoredNode {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    /// Number of values; long texts count as several.
    values: u64,
    /// Nesting of lists and mappings.
    depth: usize,
}

struct Builder<'a> {
    source: &'a Source,
    budget: &'a mut Budget,
    report: &'a mut Report,
    open: Vec<Collection>,
    /// Elements of all open lists, innermost last.
    nodes: Vec<Node>,
    /// Entries of all open mappings, innermost last.
    entries: Vec<Entry>,
    texts: HashSet<Arc<str>>,
    plains: HashMap<Arc<str>, Arc<Plain>>,
    anchors: HashMap<usize, AnchoredNode>,
    aliased: u64,
    documents: usize,
    root: Option<Node>,
}

/// A list or mapping whose end event is yet to come.
struct Collection {
    at: Position,
    anchor: usize,
    /// So far.
    size: Size,
    /// Index of its first element in the stack of all open collections.
    start: usize,
    shape: Shape,
}

enum Shape {
    List,
    /// With the key that awaits its value.
    Map(Option<Key>),
}

struct Key {
    /// Absent if invalid; its value is dropped.
    text: Option<Arc<str>>,
    at: Position,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source, budget: &'a mut Budget, report: &'a mut Report) -> Self {
        Self {
            source,
            budget,
            report,
            open: Vec::new(),
            nodes: Vec::new(),
            entries: Vec::new(),
            texts: HashSet::new(),
            plains: HashMap::new(),
            anchors: HashMap::new(),
            aliased: 0,
            documents: 0,
            root: None,
        }
    }

    fn handle(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = Position::new(span.start.line(), span.start.col() + 1).in_file(self.source.order());
        self.event(event, at)?;
        if self.budget.is_exceeded() {
            return Err(self.budget.problem(self.source, Some(at)));
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => self.document(at)?,
            Event::Scalar(text, style, anchor, tag) => {
                let meaning = self.meaning(tag.as_ref(), at);
                self.scalar(&text, style, &meaning, anchor, at);
            }
            Event::SequenceStart(_, anchor, tag) => {
                let meaning = self.meaning(tag.as_ref(), at);
                self.require_type(&meaning, &Kind::List([].into()), at);
                self.begin(Shape::List, self.nodes.len(), anchor, at)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let meaning = self.meaning(tag.as_ref(), at);
                self.require_type(&meaning, &Kind::Map([].into()), at);
                self.begin(Shape::Map(None), self.entries.len(), anchor, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at)?,
            Event::Alias(anchor) => self.alias(anchor, at)?,
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, at: Position) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        let problem = self.source.problem(
            at,
            "a second YAML document starts here; only one per file is supported",
        );
        Err(problem.hint("move it to a file of its own: a suite may have several files"))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, meaning: &TagMeaning, anchor: usize, at: Position) {
        let kind = match scalar::resolve(text, style, meaning) {
            // `200: ok` has the text `200` as its key.
            Some(Kind::Plain(plain)) if !self.expects_key() => Kind::Plain(self.plain(plain)),
            Some(kind @ Kind::Null) => kind,
            _ => Kind::Text(self.text(text)),
        };
        if !self.expects_key() {
            self.require_type(meaning, &kind, at);
        }
        let values = text.len().div_ceil(BYTES_PER_VALUE).max(1);
        let values = u64::try_from(values).unwrap_or(u64::MAX);
        self.add(Node { at, kind }, Size { values, depth: 0 }, anchor);
    }

    /// Interns short texts: a suite repeats `plugin: http` many times.
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return Arc::clone(shared);
        }
        self.budget.keep(text.len().saturating_add(ALLOCATION_BYTES));
        if text.len() > MAX_SHARED_BYTES {
            return Arc::from(text);
        }
        self.budget.keep_for_file(INTERNED_BYTES);
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&shared));
        shared
    }

    fn plain(&mut self, plain: Arc<Plain>) -> Arc<Plain> {
        if let Some(shared) = self.plains.get(&plain.written) {
            return Arc::clone(shared);
        }
        let text = plain.written.len().saturating_add(ALLOCATION_BYTES);
        self.budget.keep(text.saturating_add(PLAIN_BYTES));
        if plain.written.len() > MAX_SHARED_BYTES {
            return plain;
        }
        self.budget.keep_for_file(INTERNED_BYTES);
        self.plains.insert(Arc::clone(&plain.written), Arc::clone(&plain));
        plain
    }

    fn meaning(&mut self, tag: Option<&Cow<'_, Tag>>, at: Position) -> TagMeaning {
        let meaning = scalar::meaning(tag);
        if let (TagMeaning::Unsupported, Some(tag)) = (&meaning, tag) {
            let name = quoted(&format!("{}{}", tag.original_handle(), tag.suffix()));
            self.report
                .add(self.source.problem(at, format!("unsupported YAML tag {name}")));
        }
        meaning
    }

    /// Reports a tag that names another type than the value has.
    fn require_type(&mut self, meaning: &TagMeaning, kind: &Kind, at: Position) {
        let tag = match meaning {
            TagMeaning::Type(tag) if !tag.allows(kind) => tag.as_str(),
            TagMeaning::Text if matches!(kind, Kind::List(_) | Kind::Map(_)) => "!!str",
            _ => return,
        };
        let found = Node {
            at,
            kind: kind.clone(),
        }
        .found();
        let message = format!("the YAML tag `{tag}` does not fit {found}");
        let problem = self.source.problem(at, message);
        self.report.add(problem.hint("leave the tag out"));
    }

    fn begin(&mut self, shape: Shape, start: usize, anchor: usize, at: Position) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(self.source, at));
        }
        self.open.push(Collection {
            at,
            anchor,
            size: Size { values: 1, depth: 1 },
            start,
            shape,
        });
        Ok(())
    }

    fn end(&mut self, at: Position) -> Result<(), Problem> {
        let Some(closed) = self.open.pop() else {
            return Ok(());
        };
        self.budget.keep(ALLOCATION_BYTES);
        let kind = match closed.shape {
            Shape::List => Kind::List(self.nodes.drain(closed.start..).collect()),
            Shape::Map(_) => Kind::Map(self.mapping(closed.start, at)?),
        };
        self.add(Node { at: closed.at, kind }, closed.size, closed.anchor);
        Ok(())
    }

    fn mapping(&mut self, start: usize, at: Position) -> Result<Arc<[Entry]>, Problem> {
        let entries = self.entries.get(start..).unwrap_or_default();
        if merge::has_unique_keys(entries) {
            return Ok(self.entries.drain(start..).collect());
        }
        let open = self.open_bytes();
        self.budget
            .need(open.saturating_add(entries.len().saturating_mul(COMPARED_BYTES)));
        if self.budget.is_exceeded() {
            return Err(self.budget.problem(self.source, Some(at)));
        }
        Ok(merge::unique_entries(self.entries.drain(start..), self.source, self.report).into())
    }

    /// Bytes of the elements and entries of all open lists and mappings, which are copied where one ends.
    fn open_bytes(&self) -> usize {
        size_of_val(&*self.nodes).saturating_add(size_of_val(&*self.entries))
    }

    /// Expands an alias, and charges its full size to the limit.
    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Problem> {
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return Err(self
                .source
                .problem(at, "the alias refers to a value that contains it"));
        };
        if self.open.len() + built.size.depth > MAX_DEPTH {
            return Err(too_deep(self.source, at));
        }
        self.aliased = self.aliased.saturating_add(built.size.values);
        let values = usize::try_from(built.size.values).unwrap_or(usize::MAX);
        self.budget.keep(values.saturating_mul(ALIASED_BYTES));
        if self.aliased > MAX_ALIASED {
            let message = format!("the aliases of the file expand to more than {MAX_ALIASED} values");
            return Err(self
                .source
                .problem(at, message)
                .hint("use fewer aliases, or split the file"));
        }
        self.add(built.node, built.size, 0);
        Ok(())
    }

    fn expects_key(&self) -> bool {
        let innermost = self.open.last().map(|collection| &collection.shape);
        matches!(innermost, Some(Shape::Map(None)))
    }

    /// Adds a complete node to the innermost open collection.
    fn add(&mut self, node: Node, size: Size, anchor: usize) {
        if anchor != 0 {
            self.budget.keep_for_file(ANCHOR_BYTES);
            let node = node.clone();
            self.anchors.insert(anchor, AnchoredNode { node, size });
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        parent.size.values = parent.size.values.saturating_add(size.values);
        parent.size.depth = parent.size.depth.max(size.depth + 1);
        match &mut parent.shape {
            Shape::List => {
                self.budget.keep(ELEMENT_BYTES);
                self.nodes.push(node);
            }
            Shape::Map(key) => match key.take() {
                None => *key = Some(key_of(&node, self.source, self.report)),
                Some(Key { text: Some(text), at }) => {
                    self.budget.keep(ENTRY_BYTES);
                    self.entries.push(Entry {
                        key: text,
                        at,
                        value: node,
                    });
                }
                Some(Key { text: None, .. }) => {}
            },
        }
        self.budget.need(self.open_bytes());
    }
}

fn key_of(node: &Node, source: &Source, report: &mut Report) -> Key {
    let text = match &node.kind {
        Kind::Text(text) => Some(Arc::clone(text)),
        _ => {
            report.add(source.problem(node.at, format!("expected a key, found {}", node.found())));
            None
        }
    };
    Key { text, at: node.at }
}
