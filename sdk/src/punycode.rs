//! International domain names in ASCII (RFC 3492, RFC 5890).

const BASE: u32 = 36;
const THRESHOLDS: (u32, u32) = (1, 26);
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const FIRST_NON_ASCII: u32 = 0x80;

/// A name in the form that DNS and certificates use: lower case, and each non-ASCII label as `xn--…`. Letters are not
/// normalised, so an accent has to be part of its letter. `None` if a label is far too long.
pub(crate) fn to_ascii(name: &str) -> Option<String> {
    // The ideographic full stops are dots too (RFC 3490, section 3.1).
    let labels = name.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    let labels: Option<Vec<_>> = labels.map(|label| encode(&label.to_lowercase())).collect();
    Some(labels?.join("."))
}

fn encode(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_owned());
    }
    let mut text: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(text.len()).ok()?;
    if basic > 0 {
        text.push('-');
    }
    let (mut handled, mut least, mut delta, mut bias) = (basic, FIRST_NON_ASCII, 0_u32, INITIAL_BIAS);
    while let Some(next) = label.chars().map(u32::from).filter(|point| *point >= least).min() {
        delta = delta.checked_add((next - least).checked_mul(handled + 1)?)?;
        least = next;
        for point in label.chars().map(u32::from) {
            if point < least {
                delta = delta.checked_add(1)?;
            } else if point == least {
                push_number(&mut text, delta, bias);
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        least += 1;
    }
    Some(format!("xn--{text}"))
}

/// Writes a number of variable length, least significant digit first.
fn push_number(text: &mut String, number: u32, bias: u32) {
    let mut number = number;
    for position in 1.. {
        let threshold = (BASE * position)
            .saturating_sub(bias)
            .clamp(THRESHOLDS.0, THRESHOLDS.1);
        if number < threshold {
            break;
        }
        let rest = number - threshold;
        text.extend(digit(threshold + rest % (BASE - threshold)));
        number = rest / (BASE - threshold);
    }
    text.extend(digit(number));
}

fn digit(value: u32) -> Option<char> {
    char::from_digit(value.checked_sub(26).unwrap_or(value + 10), 36)
}

/// Adapts the bias for the next number, after one that was `delta`.
fn adapted(delta: u32, points: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut bias = 0;
    while delta > (BASE - THRESHOLDS.0) * THRESHOLDS.1 / 2 {
        delta /= BASE - THRESHOLDS.0;
        bias += BASE;
    }
    bias + (BASE - THRESHOLDS.0 + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::to_ascii;

    #[test]
    fn international_labels_are_written_in_ascii() {
        let cases = [
            ("bücher.test", "xn--bcher-kva.test"),
            ("BÜCHER.Test", "xn--bcher-kva.test"),
            ("*.müller.de", "*.xn--mller-kva.de"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("правда.рф", "xn--80aafi6cg.xn--p1ai"),
            ("ليهمابتكلموشعربي؟", "xn--egbpdaj6bu4bxfgehfvwxn"),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
            ("3年b組金八先生", "xn--3b-ww4c5e180e575a65lsy2b"),
            ("web_1.example.", "web_1.example."),
        ];
        for (name, ascii) in cases {
            assert_eq!(to_ascii(name).as_deref(), Some(ascii), "{name}");
        }
    }
}
