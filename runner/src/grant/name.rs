//! A name as DNS is asked for it.

#[cfg(test)]
mod tests;

use std::fmt;

use super::GrantError;

/// Characters of a name, without the dot at its end: what DNS can hold.
const MAX_NAME: usize = 253;
/// Characters between two dots.
const MAX_LABEL: usize = 63;

/// A name to ask DNS for: lower case, ASCII (IDNA), without a trailing dot, of the characters that a host may have in a
/// URL. Its first label may be `*`, which then stands for itself; the root is empty.
///
/// There is no way to write any other character: what is judged is what is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// A name as people write it, with or without a trailing dot.
    ///
    /// # Errors
    /// When it is an address, or no name that DNS is asked for.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        let invalid = || GrantError::DnsName {
            name: text.chars().take(MAX_NAME).collect(),
        };
        if text == "." {
            return Ok(Self(String::new()));
        }
        // Beyond this even one of characters that IDNA shortens does not fit.
        if text.len() > 4 * MAX_NAME {
            return Err(invalid());
        }
        let ascii = match text.is_ascii() {
            true => text.to_ascii_lowercase(),
            false => match url::Host::parse(text) {
                Ok(url::Host::Domain(name)) => name,
                _ => return Err(invalid()),
            },
        };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        match is_name(name) {
            true => Ok(Self(name.to_owned())),
            false => Err(invalid()),
        }
    }

    /// The text that is judged, and asked for.
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
    // An IPv4 address is no name.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= MAX_NAME && labels.clone().all(is_label) && !labels.next_back().is_some_and(is_number)
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_name_byte)
}

/// Whether a name may have a byte between its dots: DNS takes any; this leaves out those that have a meaning of their own
/// in URLs, in grants or in the text form of names.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#".*\#%/:<>?@[]^|"#.contains(&byte)
}
