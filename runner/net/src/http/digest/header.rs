//! Splits `www-authenticate` headers into schemes and parameters (RFC 9110, section 11.6.1).

use std::borrow::Cow;

/// A part of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A challenge begins.
    Scheme(&'a [u8]),
    /// A parameter of the current challenge, without quotes and escapes.
    Parameter(&'a [u8], Cow<'a, [u8]>),
    /// What follows is not understood.
    Malformed,
}

/// The parts of one header. Missing commas are tolerated. Takes time linear in the header.
pub(super) struct Items<'a> {
    rest: &'a [u8],
    has_scheme: bool,
}

impl<'a> Items<'a> {
    pub(super) fn new(header: &'a [u8]) -> Self {
        Self {
            rest: header,
            has_scheme: false,
        }
    }

    fn malformed(&mut self) -> Item<'a> {
        self.rest = &[];
        Item::Malformed
    }

    /// Takes the bytes up to the first one that does not meet the condition.
    fn take_while(&mut self, condition: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !condition(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Skips what a scheme may have in place of parameters (`token68`).
    fn skip_token68(&mut self) {
        let before = self.rest;
        let length = self.take_while(is_token68).len();
        self.take_while(|byte| byte == b'=');
        self.skip_blanks();
        if length == 0 || !matches!(self.rest.first(), None | Some(b',')) {
            self.rest = before;
        }
    }

    /// The value of a parameter; `None` for a quoted one without an end.
    fn value(&mut self) -> Option<Cow<'a, [u8]>> {
        if let Some(quoted) = self.rest.strip_prefix(b"\"") {
            self.rest = quoted;
            return self.quoted();
        }
        let value = self.take_while(|byte| !is_blank(byte) && byte != b',');
        Some(Cow::Borrowed(value))
    }

    fn quoted(&mut self) -> Option<Cow<'a, [u8]>> {
        let plain = self.take_while(|byte| byte != b'"' && byte != b'\\');
        if let Some(rest) = self.rest.strip_prefix(b"\"") {
            self.rest = rest;
            return Some(Cow::Borrowed(plain));
        }
        let mut value = plain.to_vec();
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(Cow::Owned(value)),
                b'\\' => {
                    let (escaped, rest) = rest.split_first()?;
                    value.push(*escaped);
                    self.rest = rest;
                }
                _ => value.push(*first),
            }
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.take_while(|byte| is_blank(byte) || byte == b',');
        if self.rest.is_empty() {
            return None;
        }
        let name = self.take_while(is_token);
        self.skip_blanks();
        if name.is_empty() {
            return Some(self.malformed());
        }
        let Some(rest) = self.rest.strip_prefix(b"=") else {
            self.has_scheme = true;
            self.skip_token68();
            return Some(Item::Scheme(name));
        };
        self.rest = rest;
        self.skip_blanks();
        match self.value() {
            Some(value) if self.has_scheme => Some(Item::Parameter(name, value)),
            _ => Some(self.malformed()),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Basic`, `realm=x`, `!` for what is malformed.
    fn items(header: &str) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let items = Items::new(header.as_bytes()).map(|item| match item {
            Item::Scheme(name) => text(name),
            Item::Parameter(name, value) => format!("{}={}", text(name), text(&value)),
            Item::Malformed => "!".to_owned(),
        });
        items.collect()
    }

    #[test]
    fn challenges_are_split_at_their_schemes() {
        for (header, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("Basic realm=\"a\"", &["Basic", "realm=a"]),
            ("Negotiate", &["Negotiate"]),
            ("Negotiate, NTLM", &["Negotiate", "NTLM"]),
            ("NTLM TlRMTVNTUAAB==, Digest a=b", &["NTLM", "Digest", "a=b"]),
            (
                "Basic realm=\"a, Digest nonce=\\\"x\\\"\", Digest realm = \"b\" , nonce=n",
                &[
                    "Basic",
                    "realm=a, Digest nonce=\"x\"",
                    "Digest",
                    "realm=b",
                    "nonce=n",
                ],
            ),
            ("Digest a=\"b\" c=d", &["Digest", "a=b", "c=d"]),
            (
                "Digest nonce=MTIzNA==, qop=auth",
                &["Digest", "nonce=MTIzNA==", "qop=auth"],
            ),
            ("Digest a=\"\", b=, c=1", &["Digest", "a=", "b=", "c=1"]),
            ("digest\trealm=\"\u{e9}\\\\\"", &["digest", "realm=\u{e9}\\"]),
            ("Digest a=\"b", &["Digest", "!"]),
            ("Digest a=\"b\\", &["Digest", "!"]),
            ("Digest a=1, \"b\"", &["Digest", "a=1", "!"]),
            ("realm=\"a\"", &["!"]),
            ("=", &["!"]),
            ("Digest (a=b)", &["Digest", "!"]),
        ] {
            assert_eq!(items(header), expected, "{header}");
        }
    }
}
