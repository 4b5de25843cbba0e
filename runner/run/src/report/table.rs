//! Text tables that fit the terminal width.

#[cfg(test)]
mod tests;
mod text;

use std::iter;

use anstyle::Style;

use self::text::width;
pub(super) use self::text::{truncate, wrap};
use super::Screen;

const GAP: usize = 2;
const NOTE_INDENT: usize = 4;

/// Notes are at least this wide, even if the screen is narrower.
const MIN_NOTE_WIDTH: usize = 20;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    align: Align,
    /// The column is made narrower than this only as a last resort.
    min: usize,
    /// The column is omitted on narrower screens.
    from_width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    /// Left-aligned and wrapped. For the last column only.
    Wrapped,
}

/// A cell; its text has no control characters.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

/// A row: one line, and indented notes below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) notes: Vec<Note>,
}

/// A note below a row: a label, and a text that is wrapped beside it.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) label: Cell,
    pub(super) text: String,
}

impl Column {
    pub(super) const fn new(title: &'static str, align: Align, min: usize, from_width: usize) -> Self {
        Self {
            title,
            align,
            min,
            from_width,
        }
    }
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

/// Renders a line of titles and one line per row; cells of wide columns are truncated with `…` until a line fits.
pub(super) fn render(columns: &[Column], rows: &[Row], screen: Screen) -> String {
    let titles = columns
        .iter()
        .map(|column| Cell::styled(column.title, Style::new().bold()))
        .collect();
    let head = Row {
        cells: titles,
        notes: Vec::new(),
    };
    let widths = fit(columns, iter::once(&head).chain(rows), screen.width);
    let mut table = String::new();
    for row in iter::once(&head).chain(rows) {
        table.push_str(&row_lines(row, columns, &widths, screen));
        for note in &row.notes {
            table.push_str(&note_lines(note, screen));
        }
    }
    table
}

fn row_lines(row: &Row, columns: &[Column], widths: &[usize], screen: Screen) -> String {
    let mut line = Line::new(screen);
    let mut below = String::new();
    let mut offset = 0;
    for ((cell, column), width) in row.cells.iter().zip(columns).zip(widths) {
        if column.from_width > screen.width {
            continue;
        }
        if column.align == Align::Wrapped {
            let mut parts = wrap(&cell.text, *width).into_iter();
            line.push(&parts.next().unwrap_or_default(), cell.style);
            parts.for_each(|part| below.push_str(&indented(&part, cell.style, offset, screen)));
        } else {
            line.cell(cell, column.align, *width);
        }
        offset += width + GAP;
    }
    line.end() + &below
}

fn indented(text: &str, style: Style, indent: usize, screen: Screen) -> String {
    let mut line = Line::new(screen);
    line.pad(indent);
    line.push(text, style);
    line.end()
}

fn note_lines(note: &Note, screen: Screen) -> String {
    let indent = NOTE_INDENT + width(&note.label.text) + GAP;
    let room = screen.width.saturating_sub(indent).max(MIN_NOTE_WIDTH);
    let mut parts = wrap(&note.text, room).into_iter();
    let mut line = Line::new(screen);
    line.pad(NOTE_INDENT);
    line.push(&note.label.text, note.label.style);
    line.pad(GAP);
    line.push(&parts.next().unwrap_or_default(), Style::new());
    parts.fold(line.end(), |lines, part| {
        lines + &indented(&part, Style::new(), indent, screen)
    })
}

/// The widths of the columns: those of their widest cells, with the widest columns narrowed until all fit.
fn fit<'a>(columns: &[Column], rows: impl Iterator<Item = &'a Row>, screen_width: usize) -> Vec<usize> {
    let is_shown = |column: &&Column| column.from_width <= screen_width;
    let mut widths = vec![0; columns.len()];
    for row in rows {
        for ((widest, cell), column) in widths.iter_mut().zip(&row.cells).zip(columns) {
            if is_shown(&column) {
                *widest = width(&cell.text).max(*widest);
            }
        }
    }
    let gaps = columns.iter().filter(is_shown).count().saturating_sub(1);
    let room = screen_width.saturating_sub(GAP * gaps);
    let minimums: Vec<usize> = columns.iter().map(|column| column.min).collect();
    narrow(&mut widths, &minimums, room);
    narrow(&mut widths, &vec![1; columns.len()], room);
    widths
}

fn narrow(widths: &mut [usize], minimums: &[usize], room: usize) {
    while widths.iter().sum::<usize>() > room {
        let shrinkable = widths
            .iter_mut()
            .zip(minimums)
            .filter(|(width, min)| **width > **min);
        let Some((widest, _)) = shrinkable.max_by_key(|(width, _)| **width) else {
            return;
        };
        *widest -= 1;
    }
}

/// A line under construction. Blanks are deferred until text follows, so that no line has trailing blanks.
struct Line {
    text: String,
    blanks: usize,
    /// Remaining columns.
    room: usize,
    colour: bool,
}

impl Line {
    fn new(screen: Screen) -> Self {
        Self {
            text: String::new(),
            blanks: 0,
            room: screen.width,
            colour: screen.colour,
        }
    }

    fn pad(&mut self, blanks: usize) {
        self.blanks += blanks;
    }

    /// Appends a cell of this width, and the gap after it.
    fn cell(&mut self, cell: &Cell, align: Align, cell_width: usize) {
        let text = truncate(&cell.text, cell_width);
        let spare = cell_width.saturating_sub(width(&text));
        if align == Align::Right {
            self.pad(spare);
        }
        self.push(&text, cell.style);
        if align == Align::Left {
            self.pad(spare);
        }
        self.pad(GAP);
    }

    fn push(&mut self, text: &str, style: Style) {
        let text = truncate(text, self.room.saturating_sub(self.blanks));
        if text.is_empty() {
            return;
        }
        self.text.extend(iter::repeat_n(' ', self.blanks));
        self.room = self.room.saturating_sub(self.blanks + width(&text));
        self.blanks = 0;
        if self.colour && style != Style::new() {
            self.text.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.text.push_str(&text);
        }
    }

    fn end(mut self) -> String {
        self.text.push('\n');
        self.text
    }
}
