//! Masks what a conversation must not show: secret values anywhere in the bytes and, by their kind, credentials in HTTP
//! headers and URLs.

use std::ops::Range;

use crate::redact::{REDACTED, Secrets};

/// Headers whose values are credentials.
const CREDENTIAL_HEADERS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "authentication-info",
];
/// Substrings of header names whose values are credentials.
const CREDENTIAL_WORDS: [&str; 7] = [
    "token",
    "secret",
    "passw",
    "api-key",
    "apikey",
    "session",
    "signature",
];

/// Marks the bytes that belong to a secret; the bytes may be text.
pub(super) fn secret_bytes(bytes: &[u8], secrets: &Secrets) -> Vec<bool> {
    let mut masked = vec![false; bytes.len()];
    if secrets.is_empty() {
        return masked;
    }
    let (text, indices) = decode(bytes.iter().copied().enumerate());
    let mut found = find_secrets(&text, &indices, secrets);
    if bytes.contains(&0) {
        // UTF-16 text: skip the zero bytes.
        let narrow = bytes.iter().copied().enumerate().filter(|(_, byte)| *byte != 0);
        let (text, indices) = decode(narrow);
        found.extend(find_secrets(&text, &indices, secrets));
    }
    for range in found {
        masked.get_mut(range).unwrap_or_default().fill(true);
    }
    masked
}

fn find_secrets(text: &str, indices: &[usize], secrets: &Secrets) -> Vec<Range<usize>> {
    let found = secrets.find(text).into_iter().filter_map(|range| {
        let first = indices.get(range.start)?;
        let last = indices.get(range.end.checked_sub(1)?)?;
        Some(*first..last + 1)
    });
    found.collect()
}

/// Decodes bytes as text, and maps each byte of the text to the index of its source byte.
fn decode(bytes: impl Iterator<Item = (usize, u8)>) -> (String, Vec<usize>) {
    let (indices, bytes): (Vec<usize>, Vec<u8>) = bytes.unzip();
    let mut text = String::with_capacity(bytes.len());
    let mut of_text = Vec::with_capacity(bytes.len());
    let mut next = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().len();
        of_text.extend(indices.get(next..next + valid).unwrap_or_default());
        text.push_str(chunk.valid());
        next += valid;
        for index in indices.iter().skip(next).take(chunk.invalid().len()) {
            text.push(char::REPLACEMENT_CHARACTER);
            of_text.extend([*index; char::REPLACEMENT_CHARACTER.len_utf8()]);
        }
        next += chunk.invalid().len();
    }
    (text, of_text)
}

/// Masks credentials in the lines of one turn.
#[derive(Debug, Default)]
pub(super) struct CredentialMask {
    /// The previous header continues in a line that starts with a blank.
    is_folded: bool,
}

impl CredentialMask {
    pub(super) fn mask(&mut self, line: String) -> String {
        if self.is_folded && line.starts_with([' ', '\t']) {
            return format!(" {REDACTED}");
        }
        self.is_folded = false;
        if let Some((name, _)) = line.split_once(':').filter(|(name, _)| is_credential(name)) {
            self.is_folded = true;
            return format!("{name}: {REDACTED}");
        }
        redact_urls(&line)
    }
}

fn is_credential(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name
        && (CREDENTIAL_HEADERS.contains(&name.as_str())
            || CREDENTIAL_WORDS.iter().any(|word| name.contains(word)))
}

/// Removes queries and credentials from URLs and paths in a line.
fn redact_urls(line: &str) -> String {
    let is_between = |char: char| char.is_whitespace() || "\"'`<>,;=()".contains(char);
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let length = match rest.find(is_between) {
            // Text between two words of a URL's query belongs to the query.
            Some(end) if !is_url(rest.get(..end).unwrap_or_default()) => end,
            Some(_) => rest
                .find(|char: char| char.is_whitespace() || "\"`<>".contains(char))
                .unwrap_or(rest.len()),
            None => rest.len(),
        };
        let (word, behind) = rest.split_at(length);
        masked.push_str(&redact_url(word));
        let between = behind.chars().next();
        masked.extend(between);
        rest = behind
            .get(between.map_or(0, char::len_utf8)..)
            .unwrap_or_default();
    }
    masked
}

fn is_url(word: &str) -> bool {
    word.contains("://") || word.starts_with('/')
}

fn redact_url(word: &str) -> String {
    if !is_url(word) {
        return word.to_owned();
    }
    let (path, query) = match word.split_once('?') {
        Some((path, query)) if !query.is_empty() => (path, format!("?{REDACTED}")),
        Some((path, _)) => (path, "?".to_owned()),
        None => (word, String::new()),
    };
    let (scheme, rest) = path.split_once("://").unwrap_or(("", path));
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest
        .get(..authority)
        .and_then(|authority| authority.rsplit_once('@'));
    match host.filter(|_| !scheme.is_empty()) {
        Some((_, host)) => format!(
            "{scheme}://{REDACTED}@{host}{}{query}",
            rest.get(authority..).unwrap_or_default()
        ),
        None => format!("{path}{query}"),
    }
}
