use anstyle::AnsiColor;

use super::*;

const COLUMNS: [Column; 3] = [
    Column::new("NAME", Align::Left, 4, 0),
    Column::new("N", Align::Right, 3, 0),
    Column::new("TEXT", Align::Left, 6, 0),
];

fn row(texts: [&str; 3]) -> Row {
    Row {
        cells: texts.map(Cell::new).to_vec(),
        notes: Vec::new(),
    }
}

fn plain_screen(width: usize) -> Screen {
    Screen { width, colour: false }
}

fn rows() -> Vec<Row> {
    vec![
        row(["one", "1", "short"]),
        row([
            "a longer name",
            "100",
            "a text of many words, longer than the rest",
        ]),
    ]
}

#[test]
fn a_table_is_no_wider_than_necessary() {
    let table = render(&COLUMNS, &rows(), plain_screen(usize::MAX));
    insta::assert_snapshot!(table, @r"
    NAME             N  TEXT
    one              1  short
    a longer name  100  a text of many words, longer than the rest
    ");
}

#[test]
fn the_widest_column_is_truncated_first() {
    let table = render(&COLUMNS, &rows(), plain_screen(40));
    insta::assert_snapshot!(table, @r"
    NAME             N  TEXT
    one              1  short
    a longer name  100  a text of many word…
    ");
}

#[test]
fn no_line_is_wider_than_the_screen() {
    let wide = vec![
        row(["世界世界世界", "1", "👩👩👩👩"]),
        row(["e\u{301}e\u{301}e\u{301}", "2", "x"]),
    ];
    for rows in [rows(), wide] {
        for screen in 1..80 {
            for line in render(&COLUMNS, &rows, plain_screen(screen)).lines() {
                assert!(width(line) <= screen, "{line:?} on {screen}");
            }
        }
    }
}

#[test]
fn no_line_ends_in_blanks() {
    let rows = [row(["a", "", ""]), row(["b", "1", ""])];
    for line in render(&COLUMNS, &rows, plain_screen(80)).lines() {
        assert_eq!(line, line.trim_end());
    }
}

#[test]
fn wide_characters_keep_the_columns_straight() {
    let rows = [row(["世界", "1", "x"]), row(["abcd", "2", "y"])];
    let table = render(&COLUMNS, &rows, plain_screen(80));
    insta::assert_snapshot!(table, @r"
    NAME  N  TEXT
    世界  1  x
    abcd  2  y
    ");
}

#[test]
fn a_combining_mark_has_no_width() {
    assert_eq!(width("e\u{301}"), 1);
    assert_eq!(truncate("e\u{301}e\u{301}", 1), "…");
}

#[test]
fn an_emoji_of_any_block_has_two_columns() {
    assert_eq!(width("✅"), 2);
    assert_eq!(width("🟢"), 2);
    assert_eq!(width("…"), 1);
}

#[test]
fn notes_are_indented_and_wrapped() {
    let mut row = row(["a", "1", "x"]);
    let text = "body: has none of the words that it should have, of which there are manymanymanymanymany";
    row.notes = vec![Note {
        label: Cell::new("fail"),
        text: text.to_owned(),
    }];
    let table = render(&COLUMNS, &[row], plain_screen(32));
    insta::assert_snapshot!(table, @r"
    NAME  N  TEXT
    a     1  x
        fail  body: has none of the
              words that it should
              have, of which there
              are
              manymanymanymanymany
    ");
}

#[test]
fn a_word_without_blanks_is_wrapped_anywhere() {
    assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    assert_eq!(wrap("世界世", 3), ["世", "界", "世"]);
    assert_eq!(wrap("", 3), [""]);
}

#[test]
fn a_wrapped_column_continues_below() {
    let columns = [COLUMNS[0], Column::new("TEXT", Align::Wrapped, 6, 0)];
    let rows = [Row {
        cells: vec![Cell::new("a"), Cell::new("one two three four")],
        notes: Vec::new(),
    }];
    insta::assert_snapshot!(render(&columns, &rows, plain_screen(14)), @r"
    NAME  TEXT
    a     one two
          three
          four
    ");
}

#[test]
fn some_columns_are_omitted_on_a_narrow_screen() {
    let columns = [
        Column::new("A", Align::Left, 1, 0),
        Column::new("B", Align::Left, 1, 50),
        COLUMNS[2],
    ];
    let at = |width| render(&columns, &[row(["a", "b", "c"])], plain_screen(width));
    assert_eq!(at(50), "A  B  TEXT\na  b  c\n");
    assert_eq!(at(49), "A  TEXT\na  c\n");
}

#[test]
fn colour_does_not_count_as_width() {
    let cells = vec![
        Cell::styled("a", AnsiColor::Red.on_default()),
        Cell::new("1"),
        Cell::new("x"),
    ];
    let rows = [Row {
        cells,
        notes: Vec::new(),
    }];
    let coloured = render(
        &COLUMNS,
        &rows,
        Screen {
            width: 80,
            colour: true,
        },
    );
    assert!(
        coloured.ends_with("\n\u{1b}[31ma\u{1b}[0m     1  x\n"),
        "{coloured:?}"
    );
}
