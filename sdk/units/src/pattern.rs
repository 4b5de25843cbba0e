//! Explanations of errors in regular expressions, for the person who wrote one.

/// Beginnings of the library's reasons, with the explanations used here.
const WORDS: [(&str, &str); 19] = [
    ("decimal literal", "a number within `{}` is missing or too large"),
    (
        "repetition quantifier expects",
        "a number within `{}` is missing or too large",
    ),
    ("unclosed counted repetition", "a `{` that nothing closes"),
    (
        "repetition operator missing",
        "nothing stands in front of a `*`, `+`, `?` or `{`",
    ),
    (
        "invalid repetition count range",
        "the numbers within `{}` are the wrong way round",
    ),
    (
        "hexadecimal literal",
        "`\\x` is not followed by the number of a character",
    ),
    (
        "invalid hexadecimal digit",
        "`\\x` is not followed by the number of a character",
    ),
    ("incomplete escape", "it ends within an escape"),
    ("unrecognized escape", "an escape that is not known"),
    ("expected flag", "it ends within `(?`"),
    (
        "unrecognized flag",
        "`(?` is followed by a flag that is not known",
    ),
    ("dangling flag", "`-` is followed by no flag"),
    ("flag negation", "a flag is given twice"),
    ("duplicate flag", "a flag is given twice"),
    (
        "invalid capture group character",
        "the name of a group holds a character that no name may hold",
    ),
    (
        "Unicode not allowed",
        "classes of Unicode, and characters beyond ASCII within `[]`, are not for bytes",
    ),
    ("Unicode property", "there is no such class of Unicode"),
    (
        "exceed the maximum number of nested",
        "parentheses and brackets are nested more than 250 deep",
    ),
    (
        "exceeded the maximum number of capturing",
        "it has too many groups",
    ),
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
            ("error: expected flag but got end of regex", "it ends within `(?`"),
            (
                "error: Unicode property not found",
                "there is no such class of Unicode",
            ),
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
