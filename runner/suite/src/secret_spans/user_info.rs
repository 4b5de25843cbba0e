//! User and password in URLs, and in texts that were meant as one.

use std::ops::Range;

/// Maximum length in bytes of what may be a password with spaces or quotes.
const MAX_SPACED: usize = 256;

/// Where user info is in `text`, line by line.
pub(super) fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    let lines = text.split(['\r', '\n']).map(move |line| {
        let start = next;
        next += line.len() + 1;
        (start, line)
    });
    // Without an `@` in the line only a text that was cut may hold user info.
    let lines = lines.filter(|(_, line)| line.contains('@') || line.contains('…'));
    lines.flat_map(|(start, line)| of_line(line).map(move |span| start + span.start..start + span.end))
}

/// `text` with `***` in place of user info.
pub(crate) fn masked(text: &str) -> String {
    super::without(text, &spans(text).collect::<Vec<_>>())
}

fn of_line(line: &str) -> impl Iterator<Item = Range<usize>> {
    let last_at = line.rfind('@');
    let mut start = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = line.get(start..).filter(|rest| !rest.is_empty())?;
            let is_end = |char: char| char.is_whitespace() || matches!(char, '"' | '\'');
            let token = rest.split(is_end).next().unwrap_or_default();
            let begin = start;
            let span = of_token(token, last_at.and_then(|at| at.checked_sub(begin)));
            let next = rest.get(token.len()..).and_then(|rest| rest.chars().next());
            start += token.len() + next.map_or(0, char::len_utf8);
            if let Some(span) = span {
                start = start.max(begin + span.end);
                return Some(begin + span.start..begin + span.end);
            }
        }
    })
}

/// The user info in a text without spaces and quotes, after which the last `@` of its line is at `last_at`. There may
/// be backticks around it, and in it.
fn of_token(token: &str, last_at: Option<usize>) -> Option<Range<usize>> {
    let scheme = token.find("://").map(|scheme| scheme + 3);
    let start = scheme.unwrap_or_else(|| token.len() - token.trim_start_matches('`').len());
    let rest = token.get(start..)?;
    if let Some(at) = rest.rfind('@') {
        let is_password = scheme.is_some() || rest.get(..at)?.contains(':');
        return is_password.then_some(start..start + at);
    }
    let authority = rest.split('/').next()?;
    if authority.contains('…') && scheme.is_some() {
        return Some(start..start + rest.find('…')?);
    }
    let (_, port) = authority.split_once(':').filter(|_| scheme.is_some())?;
    // A space or a quote in a password.
    let is_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = is_digits || authority.starts_with('[');
    let is_near = |at: &usize| (token.len()..token.len() + MAX_SPACED).contains(at);
    let end = last_at.filter(|at| !is_port && is_near(at))?;
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_masked_and_the_rest_of_a_url_is_not() {
        for (text, shown) in [
            (
                "proxy: \"htp://user:pass@a:1/b\", x: 1",
                "proxy: \"htp://***@a:1/b\", x: 1",
            ),
            ("{ target: http://u:p/a@ss@h }", "{ target: http://***@h }"),
            ("http://token@host and ü", "http://***@host and ü"),
            ("target: 'user:pass@a:1'", "target: '***@a:1'"),
            ("invalid `http://user:1234…`", "invalid `http://***…`"),
            ("'http://user:two words@h/'", "'http://***@h/'"),
            ("\"http://user:a'b\\\"c@h/\"", "\"http://***@h/\""),
            ("http://a.test:80/long…", "http://a.test:80/long…"),
            ("`htp://user: pass@a`", "`htp://***@a`"),
            ("`user:pa`ss@a:1` x", "`***@a:1` x"),
            ("`htp://user:pa` `ss@a:1` x", "`htp://***@a:1` x"),
            ("`http://token…` x", "`http://***…` x"),
            ("http://[::1]:80/ ops@a.test", "http://[::1]:80/ ops@a.test"),
            ("http://a:80/, to: ops@a.test", "http://a:80/, to: ops@a.test"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
