//! The attributes of a tag, as the HTML standard reads them in search of a charset ("get an attribute").

/// Iterates over names and values, both in lower case, up to the end of the tag.
pub(super) struct Attributes<'b> {
    rest: &'b [u8],
    is_cut: bool,
}

impl<'b> Attributes<'b> {
    /// The attributes after the name of a tag.
    pub(super) fn new(text: &'b [u8]) -> Self {
        Self {
            rest: text,
            is_cut: false,
        }
    }

    /// What follows the attributes that were read, from the `>` of the tag; `None` if the text ends before it.
    pub(super) fn rest(&self) -> Option<&'b [u8]> {
        (!self.is_cut).then_some(self.rest)
    }

    /// Removes bytes as long as they are such.
    fn take_while(&mut self, is_such: impl Fn(u8) -> bool) -> &'b [u8] {
        let end = self.rest.iter().position(|byte| !is_such(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| byte.is_ascii_whitespace());
    }

    fn eat(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn name(&mut self) -> Vec<u8> {
        let is_of_name = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'=');
        // A `=` in the first place belongs to the name.
        let mut name = if self.eat(b'=') { vec![b'='] } else { Vec::new() };
        name.extend_from_slice(self.take_while(is_of_name));
        name
    }

    fn value(&mut self) -> &'b [u8] {
        self.skip_spaces();
        for quote in [b'"', b'\''] {
            if self.eat(quote) {
                let value = self.take_while(|byte| byte != quote);
                self.is_cut |= !self.eat(quote);
                return value;
            }
        }
        self.take_while(|byte| !byte.is_ascii_whitespace() && byte != b'>')
    }
}

impl Iterator for Attributes<'_> {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.take_while(|byte| byte.is_ascii_whitespace() || byte == b'/');
        if self.rest.starts_with(b">") {
            return None;
        }
        let name = self.name().to_ascii_lowercase();
        self.skip_spaces();
        let value = if self.eat(b'=') {
            self.value().to_ascii_lowercase()
        } else {
            Vec::new()
        };
        self.is_cut |= self.rest.is_empty();
        (!self.is_cut).then_some((name, value))
    }
}
