//! Parses YAML into a tree within limits on time, depth and memory.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag, options};

use super::merge;
use super::report::Report;
use super::source::Source;
use super::tree::scalar::{self, Plain, TagMeaning};
use super::tree::{Entry, Kind, Node, quoted};
use crate::problem::{Position, Problem};

/// Maximum nesting of lists and mappings.
const MAX_DEPTH: usize = 64;
/// Maximum number of parser events, roughly the number of keys and values of a file.
const MAX_VALUES: u64 = 4_000_000;
/// Maximum number of values that all aliases of a file expand to.
const MAX_ALIASED: u64 = 1_000_000;
/// Number of bytes of text that count as one value.
const BYTES_PER_VALUE: usize = 64;
/// Maximum size of a text that is interned.
const MAX_SHARED_BYTES: usize = 24;
/// The hint where a tab indents a line.
const NO_TABS: &str = "indent with spaces: YAML does not allow tabs";

/// The document of a file, or nothing if it is empty or broken.
pub(super) fn parse(source: &Source, report: &mut Report) -> Option<Node> {
    let limits = options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::new(source, report);
    for event in Parser::new_from_str_with_options(&source.text, limits) {
        let result = match event {
            Ok((event, span)) => builder.handle(event, span),
            Err(error) => Err(syntax(source, &error)),
        };
        if let Err(problem) = result {
            builder.report.add(problem);
            return None;
        }
    }
    builder.root
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
    report: &'a mut Report,
    open: Vec<Collection>,
    /// Elements of all open lists, innermost last.
    nodes: Vec<Node>,
    /// Entries of all open mappings, innermost last.
    entries: Vec<Entry>,
    texts: HashSet<Arc<str>>,
    plains: HashMap<Arc<str>, Arc<Plain>>,
    anchors: HashMap<usize, AnchoredNode>,
    values: u64,
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
    fn new(source: &'a Source, report: &'a mut Report) -> Self {
        Self {
            source,
            report,
            open: Vec::new(),
            nodes: Vec::new(),
            entries: Vec::new(),
            texts: HashSet::new(),
            plains: HashMap::new(),
            anchors: HashMap::new(),
            values: 0,
            aliased: 0,
            documents: 0,
            root: None,
        }
    }

    fn handle(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = Position::new(span.start.line(), span.start.col() + 1).in_file(self.source.order());
        self.values += 1;
        if self.values > MAX_VALUES {
            let problem = self
                .source
                .problem(at, format!("the file contains more than {MAX_VALUES} values"));
            return Err(problem.hint("split the suite into several files"));
        }
        match event {
            Event::DocumentStart(..) => self.document(at)?,
            Event::Scalar(text, style, anchor, tag) => {
                let meaning = self.meaning(tag.as_ref(), at);
                self.scalar(&text, style, &meaning, anchor, at);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.meaning(tag.as_ref(), at);
                self.begin(Shape::List, self.nodes.len(), anchor, at)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.meaning(tag.as_ref(), at);
                self.begin(Shape::Map(None), self.entries.len(), anchor, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
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
        let values = text.len().div_ceil(BYTES_PER_VALUE).max(1);
        let values = u64::try_from(values).unwrap_or(u64::MAX);
        self.add(Node { at, kind }, Size { values, depth: 0 }, anchor);
    }

    /// Interns short texts: a suite repeats `plugin: http` many times.
    fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > MAX_SHARED_BYTES {
            return Arc::from(text);
        }
        if let Some(shared) = self.texts.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&shared));
        shared
    }

    fn plain(&mut self, plain: Arc<Plain>) -> Arc<Plain> {
        if plain.written.len() > MAX_SHARED_BYTES {
            return plain;
        }
        let shared = self.plains.entry(Arc::clone(&plain.written));
        Arc::clone(shared.or_insert(plain))
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

    fn end(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        let kind = match closed.shape {
            Shape::List => Kind::List(self.nodes.drain(closed.start..).collect()),
            Shape::Map(_) => Kind::Map(self.mapping(closed.start)),
        };
        self.add(Node { at: closed.at, kind }, closed.size, closed.anchor);
    }

    fn mapping(&mut self, start: usize) -> Arc<[Entry]> {
        if self.entries.get(start..).is_some_and(merge::has_unique_keys) {
            return self.entries.drain(start..).collect();
        }
        merge::unique_entries(self.entries.split_off(start), self.source, self.report).into()
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
            Shape::List => self.nodes.push(node),
            Shape::Map(key) => match key.take() {
                None => *key = Some(key_of(&node, self.source, self.report)),
                Some(Key { text: Some(text), at }) => self.entries.push(Entry {
                    key: text,
                    at,
                    value: node,
                }),
                Some(Key { text: None, .. }) => {}
            },
        }
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

fn too_deep(source: &Source, at: Position) -> Problem {
    source.problem(
        at,
        format!("lists and mappings are nested more than {MAX_DEPTH} deep"),
    )
}

fn syntax(source: &Source, error: &ScanError) -> Problem {
    let at = Position::new(error.marker().line(), error.marker().col() + 1);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(source, at);
    }
    if matches!(error.kind(), ErrorKind::TabInPlainScalar) {
        return tab_below(source, at, error);
    }
    let hint = match error.kind() {
        _ if end_of_tabs(source, at.line).is_some() => Some(NO_TABS),
        ErrorKind::MappingValueNotAllowed if begins_with_key(source, at) => {
            Some("indent it like the keys beside it, or quote text that contains `: `")
        }
        ErrorKind::MappingValueNotAllowed => Some("quote text that contains `: `"),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            Some("indent it like the keys or the `-` beside it")
        }
        ErrorKind::SimpleKeyExpected => Some("write `KEY: VALUE`, with a space after the colon"),
        ErrorKind::InvalidColonPlacement => Some("a bracket or quote before this may be unclosed"),
        ErrorKind::UnexpectedCharacter { .. } => Some("quote text that starts with this character"),
        ErrorKind::UnknownQuotedScalarEscape => Some("in single quotes a backslash is literal"),
        ErrorKind::UnknownAnchor => Some("an alias `*name` needs an anchor `&name` above it"),
        _ => None,
    };
    let problem = source.problem(at, format!("invalid YAML: {}", error.info()));
    problem.maybe_hint(hint.map(str::to_owned))
}

/// A text that ends at a tab. The parser reports where the text begins; the tab is in the indentation of a line below.
fn tab_below(source: &Source, at: Position, error: &ScanError) -> Problem {
    let lines = (at.line..).take_while(|line| source.line(*line).is_some());
    let mut tabs = lines.filter_map(|line| Some((line, end_of_tabs(source, line)?)));
    let mut at = at;
    if let Some(tab) = tabs.next() {
        (at.line, at.column) = tab;
    }
    let problem = source.problem(at, format!("invalid YAML: {}", error.info()));
    problem.hint(NO_TABS)
}

/// The column after the indentation of a line, if a tab is in it.
fn end_of_tabs(source: &Source, line: u32) -> Option<u32> {
    let (mut column, mut has_tab) = (1, false);
    for char in source.line(line)?.take_while(|char| char.is_whitespace()) {
        column += 1;
        has_tab |= char == '\t';
    }
    has_tab.then_some(column)
}

/// Whether the colon at this place is the first of its line, as that of a key is.
fn begins_with_key(source: &Source, at: Position) -> bool {
    let line = source.line(at.line).into_iter().flatten();
    (1..)
        .zip(line)
        .find(|(_, char)| *char == ':')
        .is_some_and(|(column, _)| column == at.column)
}
