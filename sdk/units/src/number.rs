//! Exact decimal numbers in front of a unit: no rounding.

/// Maximum significant digits after the point; further ones are too small to matter here.
const MAX_FRACTION: usize = 18;

/// A number as it is written.
pub(crate) struct Number {
    /// `None` beyond 128 bits.
    whole: Option<u128>,
    /// Digits after the point, as a number.
    fraction: u64,
    /// The denominator of the fraction: 10 to the power of the number of those digits.
    parts: u64,
    /// Whether non-zero digits were cut off.
    is_cut: bool,
}

/// A number times a unit.
pub(crate) struct Product {
    /// Rounded down.
    pub(crate) whole: u128,
    /// Whether nothing was rounded.
    pub(crate) is_exact: bool,
}

impl Number {
    /// The number times `scale`; `None` beyond 128 bits.
    pub(crate) fn times(&self, scale: u64) -> Option<Product> {
        let whole = self.whole?.checked_mul(u128::from(scale))?;
        // Less than 60 bits times 64 bits.
        let part = u128::from(self.fraction) * u128::from(scale);
        let parts = u128::from(self.parts);
        Some(Product {
            whole: whole.checked_add(part / parts)?,
            is_exact: part.is_multiple_of(parts) && !self.is_cut,
        })
    }
}

/// Splits a number and the word after it off the front, blanks included; returns the rest as well.
pub(crate) fn leading(text: &str) -> Option<(Number, &str, &str)> {
    let (digits, rest) = split(text, |char| char.is_ascii_digit());
    if digits.is_empty() {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            Some(split(rest, |char| char.is_ascii_digit())).filter(|(digits, _)| !digits.is_empty())?
        }
        None => ("", rest),
    };
    let (word, rest) = split(rest.trim_start(), char::is_alphabetic);
    Some((number(digits, fraction), word, rest.trim_start()))
}

fn number(whole: &str, fraction: &str) -> Number {
    let (counted, cut) = fraction.split_at_checked(MAX_FRACTION).unwrap_or((fraction, ""));
    Number {
        whole: whole.parse().ok(),
        fraction: counted.parse().unwrap_or(0),
        parts: counted.bytes().fold(1, |parts, _| parts * 10),
        is_cut: cut.bytes().any(|digit| digit != b'0'),
    }
}

fn split(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|char| !is_part(char)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
