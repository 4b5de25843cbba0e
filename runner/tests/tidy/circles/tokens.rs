//! The words and signs of Rust code.

use crate::is_word;

/// The words of a text, its `::`, and each other sign alone; without comments, and without what is in literals.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = if let Some(length) = opaque(rest) {
            (length, false)
        } else if is_word(first) {
            (rest.find(|char| !is_word(char)).unwrap_or(rest.len()), true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let (token, after) = rest.split_at(length);
        if is_token {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

/// The length of a comment or literal that the text begins with.
fn opaque(text: &str) -> Option<usize> {
    let until = |start: usize, end: &str| {
        let found = text[start..].find(end);
        Some(found.map_or(text.len(), |found| start + found + end.len()))
    };
    if text.starts_with("//") {
        return until(2, "\n");
    }
    if text.starts_with("/*") {
        return until(2, "*/");
    }
    if let Some(after) = text.strip_prefix('"') {
        return Some(1 + quoted(after));
    }
    if let Some(after) = text.strip_prefix('r').or_else(|| text.strip_prefix("br")) {
        let hashes = after.chars().take_while(|char| *char == '#').count();
        if after[hashes..].starts_with('"') {
            let start = text.len() - after.len() + hashes + 1;
            return until(start, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    let after = text.strip_prefix('\'')?;
    if after.starts_with('\\') {
        // What is escaped may be a quote.
        return until(3, "'");
    }
    let char = after.chars().next()?;
    // A lifetime has no second quote.
    after[char.len_utf8()..]
        .starts_with('\'')
        .then_some(2 + char.len_utf8())
}

/// The length of the rest of a string, with the quote that ends it.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|char| {
        let ends = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

#[test]
fn literals_and_comments_have_no_tokens() {
    let text = "a::b /* c */ (\"d \\\" e\", r#\"f\"g\"#, 'h', '\\'', '\"', x: &'y str) // i\nj";
    let expected = [
        "a", "::", "b", "(", ",", ",", ",", ",", ",", "x", ":", "&", "'", "y", "str", ")", "j",
    ];
    assert_eq!(tokens(text), expected);
}
