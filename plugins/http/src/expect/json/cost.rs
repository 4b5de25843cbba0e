//! What a JSONPath costs at most on a document, known before it is followed: the document is the peer's.

use super::document::Document;

/// Most values that a path may visit.
const MOST_VISITS: usize = 4_000_000;

/// Whether a path can be followed within the CPU time of a run.
///
/// # Errors
/// It cannot. The text is for a person.
pub(super) fn affordable(path: &str, document: &Document) -> Result<(), String> {
    match visits(path, document) > MOST_VISITS {
        true => Err(format!(
            "the body's JSON is too large for this path: {} values, {} deep",
            document.values, document.depth
        )),
        false => Ok(()),
    }
}

/// Each `..` but the first reaches a value once for every container that it stands in; each `$` but the first is looked up
/// for every value.
fn visits(path: &str, document: &Document) -> usize {
    let Parts { descents, roots } = parts(path);
    let deep = power(document.depth.max(1), descents.saturating_sub(1));
    let again = power(document.values, roots.saturating_sub(1));
    document.values.saturating_mul(deep).saturating_mul(again)
}

fn power(base: usize, exponent: usize) -> usize {
    base.saturating_pow(u32::try_from(exponent).unwrap_or(u32::MAX))
}

/// What of a path multiplies its cost.
struct Parts {
    descents: usize,
    roots: usize,
}

fn parts(path: &str) -> Parts {
    let mut parts = Parts {
        descents: 0,
        roots: 0,
    };
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            quote @ ('"' | '\'') => {
                while let Some(inside) = characters.next() {
                    match inside {
                        '\\' => drop(characters.next()),
                        end if end == quote => break,
                        _ => {}
                    }
                }
            }
            '$' => parts.roots += 1,
            '.' if characters.next_if_eq(&'.').is_some() => parts.descents += 1,
            _ => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_multiplies_the_cost_is_counted_outside_of_quotes() {
        for (path, descents, roots) in [
            ("$.a.b[0]", 0, 1),
            ("$..a..b", 2, 1),
            ("$['..$']..a", 1, 1),
            (r#"$["\"..$"]"#, 0, 1),
            ("$[?@.a == $..b]", 1, 2),
        ] {
            let parts = parts(path);
            assert_eq!((parts.descents, parts.roots), (descents, roots), "{path}");
        }
    }

    #[test]
    fn a_path_that_visits_values_again_and_again_is_refused_on_a_large_document() {
        let text = format!("[{}0]", "[[1]],".repeat(1_000));
        let document = Document::parse(text.as_bytes()).unwrap();
        for path in ["$[*]", "$..*", "$..*..*", "$..[?@ == 1]"] {
            assert_eq!(affordable(path, &document), Ok(()), "{path}");
        }
        for path in ["$[?$..a]", "$..*..*..*..*..*..*..*..*"] {
            let refused = affordable(path, &document).unwrap_err();
            assert!(
                refused.contains("too large for this path: 3002 values, 3 deep"),
                "{refused}"
            );
        }
    }
}
