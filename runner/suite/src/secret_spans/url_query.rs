//! Queries of URLs, and of texts that were meant as one.

use std::ops::Range;

/// Where queries are in `text`, without their `?`.
pub(super) fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    let is_end = |char: char| char.is_whitespace() || matches!(char, '"' | '\'');
    let tokens = text.split(is_end).map(move |token| {
        let start = text.len().min(next);
        let rest = text.get(start + token.len()..).unwrap_or_default();
        next = start + token.len() + rest.chars().next().map_or(0, char::len_utf8);
        (start, token)
    });
    tokens.filter_map(|(start, token)| {
        let (url, query) = token.split_once('?').filter(|(url, _)| url.contains("://"))?;
        let start = start + url.len() + 1;
        Some(start..start + query.len()).filter(|span| !span.is_empty())
    })
}
