//! Explanations of errors in regular expressions, for the person who wrote one.

/// Beginnings of the library's reasons, with the explanations used here.
const WORDS: [(&str, &str); 19] = [
    ("decimal literal", "a number within `{}` is missing or too large"),
    (
        "repetition quantifier expects",
        "a number within `{}` is missing or too large",
    ),
    ("unclosed counted repetition", "unclosed `{`"),
    (
        "repetition operator missing",
        "nothing to repeat before `*`, `+`, `?` or `{`",
    ),
    (
        "invalid repetition count range",
        "the numbers within `{}` are in the wrong order",
    ),
    (
        "hexadecimal literal",
        "`\\x` is not followed by the number of a character",
    ),
    (
        "invalid hexadecimal digit",
        "`\\x` is not followed by the number of a character",
    ),
    ("incomplete escape", "incomplete escape at the end"),
    ("unrecognized escape", "unknown escape"),
    ("expected flag", "incomplete `(?` at the end"),
    ("unrecognized flag", "unknown flag after `(?`"),
    ("dangling flag", "no flag after `-`"),
    ("flag negation", "a flag is given twice"),
    ("duplicate flag", "a flag is given twice"),
    (
        "invalid capture group character",
        "invalid character in a group name",
    ),
    (
        "Unicode not allowed",
        "Unicode classes, and non-ASCII characters within `[]`, are not supported for bytes",
    ),
    ("Unicode property", "unknown Unicode class"),
    (
        "exceed the maximum number of nested",
        "parentheses and brackets are nested more than 250 deep",
    ),
    ("exceeded the maximum number of capturing", "too many groups"),
];

/// Explains the library's error for a pattern. Quotes nothing of the pattern.
#[must_use]
pub fn pattern_reason(error: &str) -> &str {
    // The lines before show the pattern.
    let line = error.lines().last().unwrap_or_default();
    let reason = line.strip_prefix("error: ").unwrap_or(line);
    let known = WORDS.iter().find(|(words, _)| reason.starts_with(words));
    known.map_or(reason, |(_, ours)| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_in_plain_words_and_quotes_nothing() {
        for (error, expected) in [
            (
                "regex parse error:\n    (secret\n    ^\nerror: unclosed group",
                "unclosed group",
            ),
            (
                "error: decimal literal invalid",
                "a number within `{}` is missing or too large",
            ),
            (
                "error: expected flag but got end of regex",
                "incomplete `(?` at the end",
            ),
            ("error: Unicode property not found", "unknown Unicode class"),
            (
                "error: exceed the maximum number of nested parentheses/brackets (250)",
                "parentheses and brackets are nested more than 250 deep",
            ),
            ("", ""),
        ] {
            assert_eq!(pattern_reason(error), expected, "{error}");
        }
    }
}
