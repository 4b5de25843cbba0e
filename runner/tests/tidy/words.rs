//! Words of a private dialect, which names and comments of product code must not bring back.

use super::{Source, fail};

/// Product code besides that of the runner.
const FOLDERS: [&str; 2] = ["sdk/src", "plugins"];

/// Each in the singular and in lower case. The glossary of `CONTRIBUTING.md` has the terms to use instead.
const REFUSED: [&str; 16] = [
    "told", "asker", "whoever", "desk", "courier", "lane", "vigil", "aside", "door", "wish", "shelf",
    "squeezed", "bury", "journey", "roster", "keeper",
];

#[test]
fn names_and_comments_use_the_words_of_the_glossary() {
    let mut problems = Vec::new();
    let others = FOLDERS.into_iter().flat_map(Source::below);
    for source in Source::of_the_runner().into_iter().chain(others) {
        let path = &source.path;
        let mut refuse = |place: &str, text: &str| {
            for word in words(text).filter(|word| is_refused(word)) {
                problems.push(format!(
                    "{place}: `{word}`: use the standard term, see the glossary in CONTRIBUTING.md\n    {}",
                    text.trim()
                ));
            }
        };
        refuse(path, path);
        if source.is_test() {
            continue;
        }
        let visible = without_literals(&source.text);
        let lines = visible.lines().take_while(|line| *line != "mod tests {");
        for (number, line) in lines.enumerate() {
            refuse(&format!("{path}:{}", number + 1), line);
        }
    }
    fail(&problems);
}

fn is_refused(word: &str) -> bool {
    let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
    REFUSED
        .iter()
        .any(|refused| word.eq_ignore_ascii_case(refused) || singular.eq_ignore_ascii_case(refused))
}

/// The words of a text: those of prose, and those that names in snake case or camel case consist of.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_ascii_alphanumeric())
        .flat_map(humps)
}

/// `AlertRouter` as `Alert` and `Router`; `ROUTER` stays whole.
fn humps(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let bytes = rest.as_bytes();
        let boundary = bytes
            .windows(2)
            .position(|pair| !pair[0].is_ascii_uppercase() && pair[1].is_ascii_uppercase());
        let (word, after) = rest.split_at(boundary.map_or(rest.len(), |before| before + 1));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Rust source without its string and character literals, and without code in comments. Lines keep their numbers.
fn without_literals(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, is_literal) = token(rest);
        let (token, after) = rest.split_at(length);
        if is_literal {
            visible.push(' ');
            visible.extend(token.chars().filter(|char| *char == '\n'));
        } else if token.starts_with("//") {
            // Code in backticks is checked where it is defined, or it is the name of something on disk or in a
            // protocol.
            visible.extend(token.split('`').step_by(2));
        } else {
            visible.push_str(token);
        }
        rest = after;
    }
    visible
}

/// The length of the comment, literal, name or character at the start of `text`, and whether it is a literal.
fn token(text: &str) -> (usize, bool) {
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if text.starts_with("/*") {
        return (block_comment(text), false);
    }
    let name = text.find(|char: char| !char.is_alphanumeric() && char != '_');
    let (name, after) = text.split_at(name.unwrap_or(text.len()));
    let hashes = after.len() - after.trim_start_matches('#').len();
    let literal = match name {
        "r" | "br" | "cr" if after[hashes..].starts_with('"') => Some(raw_string(after, hashes)),
        "" | "b" | "c" if after.starts_with('"') => Some(quoted(after, '"')),
        "" | "b" if after.starts_with('\'') => character(after),
        _ => None,
    };
    match literal {
        Some(length) => (name.len() + length, true),
        None if name.is_empty() => (text.chars().next().map_or(0, char::len_utf8), false),
        None => (name.len(), false),
    }
}

/// The length of a block comment, which may have others in it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut next) = (0_usize, 0);
    for (at, pair) in text.as_bytes().windows(2).enumerate() {
        if at < next {
            continue;
        }
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => continue,
        }
        next = at + 2;
        if depth == 0 {
            return next;
        }
    }
    text.len()
}

/// The length of a raw string from its first `#` or quote to its end.
fn raw_string(text: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 1;
    text[start..]
        .find(&end)
        .map_or(text.len(), |length| start + length + end.len())
}

/// The length of a literal between two quotes, within which a backslash escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if char == '\\' {
            is_escaped = true;
        } else if char == quote {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

/// The length of a character literal; nothing for a lifetime or a label.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.chars().skip(1);
    let first = chars.next()?;
    (first == '\\' || chars.next() == Some('\'')).then(|| quoted(text, '\''))
}

#[test]
fn literals_are_left_out_and_names_and_comments_are_not() {
    let source = r##"
        //! A desk, and "a door" in a comment.
        struct CourierLane<'wish> { told: &'wish str } /* a /* nested */ shelf */
        const TOLD: [&str; 3] = ["desk", r#"a "door""#, "\"vigil\\"];
        const BYTES: &[u8] = b"lane \
            roster"; // keeper
        let quotes = ('"', '\'', b'"', br"\", '\u{22}'); // aside, `lane` aside
        let r#type = askers;
    "##;
    let visible = without_literals(source);
    let found: Vec<(usize, &str)> = visible
        .lines()
        .enumerate()
        .flat_map(|(number, line)| words(line).map(move |word| (number, word)))
        .filter(|(_, word)| is_refused(word))
        .collect();
    let expected: [(usize, &str); 13] = [
        (1, "desk"),
        (1, "door"),
        (2, "Courier"),
        (2, "Lane"),
        (2, "wish"),
        (2, "told"),
        (2, "wish"),
        (2, "shelf"),
        (3, "TOLD"),
        (5, "keeper"),
        (6, "aside"),
        (6, "aside"),
        (7, "askers"),
    ];
    assert_eq!(found, expected);
}
