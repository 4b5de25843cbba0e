//! Quoted names and texts.

use super::parser::{Parsed, Parser};

impl Parser<'_> {
    /// A quoted text of either kind, its escapes resolved.
    pub(super) fn string(&mut self) -> Parsed<String> {
        let Some(quote) = self.next() else {
            return self.unreadable();
        };
        let mut text = String::new();
        loop {
            let before = self.at();
            match self.next() {
                Some(end) if end == quote => return Ok(text),
                Some('\\') => text.push(self.escape(quote)?),
                Some(itself @ ' '..) => text.push(itself),
                _ => {
                    self.back_to(before);
                    return self.unreadable();
                }
            }
        }
    }

    fn escape(&mut self, quote: char) -> Parsed<char> {
        let before = self.at();
        Ok(match self.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(itself @ ('/' | '\\')) => itself,
            Some(itself) if itself == quote => itself,
            Some('u') => return self.unicode(),
            _ => {
                self.back_to(before);
                return self.unreadable();
            }
        })
    }

    /// Decodes `\uXXXX`, or a pair of them.
    fn unicode(&mut self) -> Parsed<char> {
        let before = self.at();
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first.into()) {
            return Ok(character);
        }
        if self.eat("\\u") {
            let pair = [first, self.hex()?];
            if let Some(Ok(character)) = char::decode_utf16(pair).next() {
                return Ok(character);
            }
        }
        self.back_to(before);
        self.unreadable()
    }

    fn hex(&mut self) -> Parsed<u16> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|digit| digit.to_digit(16));
            let Some(Ok(digit)) = digit.map(u16::try_from) else {
                return self.unreadable();
            };
            self.next();
            number = number << 4 | digit;
        }
        Ok(number)
    }
}
