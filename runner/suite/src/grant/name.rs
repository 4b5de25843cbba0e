//! A DNS name that can be queried.

#[cfg(test)]
mod tests;

use std::fmt;

use super::GrantError;

/// Maximum number of characters in a name, without the trailing dot, as limited by DNS.
const MAX_NAME: usize = 253;
/// Maximum number of characters between two dots.
pub(super) const MAX_LABEL: usize = 63;

/// A name that can be queried in DNS: lower case, ASCII (IDNA), without a trailing dot, restricted to the characters
/// that a URL's host may have. Its first label may be `*`, which stands for itself; the root is empty.
///
/// No other character can be written: the checked name is the queried name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// Parses a name as people write it, with or without a trailing dot.
    ///
    /// # Errors
    /// It is an address, or not a name that can be queried in DNS.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        let invalid = || GrantError::DnsName {
            name: text.chars().take(MAX_NAME).collect(),
        };
        if text == "." {
            return Ok(Self(String::new()));
        }
        // Longer texts do not fit even if IDNA shortens each character.
        if text.len() > 4 * MAX_NAME {
            return Err(invalid());
        }
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            match url::Host::parse(text) {
                Ok(url::Host::Domain(name)) => name,
                _ => return Err(invalid()),
            }
        };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if is_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(invalid())
        }
    }

    /// The name that is checked and queried.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

fn is_name(name: &str) -> bool {
    let mut labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    // An IPv4 address is not a name.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= MAX_NAME && labels.clone().all(is_label) && !labels.next_back().is_some_and(is_number)
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_name_byte)
}

/// Whether a label may contain a byte. DNS permits any; this excludes those that have a special meaning in URLs, in
/// grants or in the presentation format of names.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#".*\#%/:<>?@[]^|"#.contains(&byte)
}
