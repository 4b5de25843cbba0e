//! Texts for people: bounded, escaped, and without secrets.

use std::time::Duration;

/// Maximum characters of foreign text in a message.
const MAX_QUOTE: usize = 80;

/// Bytes of a text that [`quote`] reads: a character has 4 at most, and one more shows whether anything is left over.
pub(crate) const MAX_QUOTED: usize = 4 * (MAX_QUOTE + 1);

/// The text in backticks, truncated and escaped. Invalid UTF-8 is replaced.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let head = bytes.get(..MAX_QUOTED).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut quoted = String::from("`");
    for (position, character) in text.chars().enumerate() {
        if position == MAX_QUOTE {
            quoted.push('…');
            break;
        }
        match character {
            '"' | '\'' | '\\' => quoted.push(character),
            other => quoted.extend(other.escape_debug()),
        }
    }
    quoted.push('`');
    quoted
}

/// The host of a URL, an IPv6 address with its brackets.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    match place.split_once(']') {
        Some((address, _)) => place.get(..=address.len()).unwrap_or(place),
        None => place.split(':').next().unwrap_or_default(),
    }
}

/// A number of bytes: `512 B`, `1.2 KiB`, `3.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, scale) = match bytes {
        0..0x400 => return format!("{bytes} B"),
        0x400..0x10_0000 => ("KiB", 0x400),
        0x10_0000..0x4000_0000 => ("MiB", 0x10_0000),
        _ => ("GiB", 0x4000_0000),
    };
    let tenths = (bytes / scale) * 10 + (bytes % scale) * 10 / scale;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// The length of a byte string in memory, formatted like [`size`].
pub(crate) fn size_of(bytes: &[u8]) -> String {
    size(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

/// A duration: `0.8ms`, `34ms`, `1.25s`.
pub(crate) fn time(time: Duration) -> String {
    let microseconds = time.as_micros();
    match microseconds {
        0..10_000 => format!("{}.{}ms", microseconds / 1000, microseconds % 1000 / 100),
        10_000..1_000_000 => format!("{}ms", microseconds / 1000),
        _ => format!(
            "{}.{:02}s",
            microseconds / 1_000_000,
            microseconds % 1_000_000 / 10_000
        ),
    }
}

/// The scheme, before `://`.
pub(crate) fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// Whether the authority contains a user name or a password.
pub(crate) fn has_user_info(url: &str) -> bool {
    split(url).is_some_and(|(_, authority, _)| authority.contains('@'))
}

/// The URL without user, query and fragment; `?…` marks a removed query.
pub(crate) fn public_url(url: &str) -> String {
    let (start, authority, path) = split(url).unwrap_or(("", "", url));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (path, rest) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    let hidden = if rest.starts_with('?') { "?…" } else { "" };
    format!("{start}{host}{path}{hidden}")
}

/// Splits a URL into the scheme with its slashes (a URL parser skips more than two), the authority, and the rest.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.trim_start_matches(['/', '\\']);
    let (start, _) = url.split_at_checked(url.len() - rest.len())?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some((start, authority, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_bounded_and_escaped() {
        assert_eq!(quote(b"a \"b\"\r\n\x1b[1m"), "`a \"b\"\\r\\n\\u{1b}[1m`");
        assert_eq!(quote(&[0xff]), "`\u{fffd}`");
        let long = quote("é".repeat(1000).as_bytes());
        assert_eq!(long.chars().count(), MAX_QUOTE + 3);
        assert!(long.ends_with("…`"));
        assert!(!quote("é".repeat(MAX_QUOTE).as_bytes()).contains('…'));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 1023, 1229, 5 << 20, 3 << 30].map(size),
            ["0 B", "1023 B", "1.2 KiB", "5.0 MiB", "3.0 GiB"]
        );
        let shown = [850, 34_900, 1_256_000].map(|micros| time(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.8ms", "34ms", "1.25s"]);
    }

    #[test]
    fn a_public_url_hides_user_and_query() {
        for (url, public) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com/a?token=x#y", "https://example.com/a?…"),
            (
                "https://me:pass@example.com:8443/a#x?y",
                "https://example.com:8443/a",
            ),
            ("https://example.com?a@b", "https://example.com?…"),
            ("nonsense?x", "nonsense?…"),
        ] {
            assert_eq!(public_url(url), public, "{url}");
        }
    }

    #[test]
    fn user_info_is_only_looked_for_before_the_host() {
        assert!(has_user_info("https://me@example.com/") && has_user_info("http:///a:b@c"));
        assert!(!has_user_info("https://example.com/@me") && !has_user_info("https://example.com?a@b"));
    }
}
