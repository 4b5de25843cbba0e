//! Texts that attack a scraper, in every field that becomes a label, read by a strict parser.

use super::*;
use canary_run::outcome::Measurement;
use canary_tests::texts::NASTY;

/// The rest of a line after its parsed prefix.
type Rest<'a> = Option<&'a str>;

fn word<'a>(line: &'a str, also: &str) -> Rest<'a> {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || also.contains(char);
    let rest = line.trim_start_matches(is_allowed);
    let begins_well = line.starts_with(|char: char| char.is_ascii_alphabetic() || also.contains(char));
    (begins_well && rest.len() < line.len()).then_some(rest)
}

/// The text between quotes, with nothing but the three escapes of the format.
fn quoted(line: &str) -> Rest<'_> {
    let mut rest = line.strip_prefix('"')?;
    loop {
        match rest.chars().next()? {
            '"' => return Some(&rest[1..]),
            '\\' => {
                let escaped = rest[1..].chars().next()?;
                "\\\"n".contains(escaped).then_some(())?;
                rest = &rest[2..];
            }
            other => rest = &rest[other.len_utf8()..],
        }
    }
}

fn labels(line: &str) -> Rest<'_> {
    let mut rest = line.strip_prefix('{')?;
    loop {
        rest = quoted(word(rest, "_")?.strip_prefix('=')?)?;
        match rest.chars().next()? {
            ',' => rest = &rest[1..],
            '}' => return Some(&rest[1..]),
            _ => return None,
        }
    }
}

fn is_sample(line: &str) -> Option<()> {
    let value = labels(word(line, "_:")?)?.strip_prefix(' ')?;
    let (value, exemplar) = match value.split_once(" # ") {
        Some((value, exemplar)) => (value, Some(exemplar)),
        None => (value, None),
    };
    value.parse::<f64>().ok()?;
    if let Some(exemplar) = exemplar {
        let numbers = labels(exemplar)?.strip_prefix(' ')?;
        numbers
            .split(' ')
            .try_for_each(|number| number.parse::<f64>().map(drop).ok())?;
    }
    Some(())
}

fn is_comment(line: &str) -> bool {
    ["# HELP ", "# TYPE ", "# UNIT "]
        .iter()
        .filter_map(|head| line.strip_prefix(head))
        .any(|rest| word(rest, "_:").is_some_and(|rest| rest.starts_with(' ')))
}

fn hostile_run(text: &str) -> Run {
    let mut run = sample::run();
    let mut check = (*run.check).clone();
    (check.name, check.plugin) = (text.to_owned(), text.to_owned());
    check.group = Some(text.into());
    check.labels = Arc::new(
        [
            (text.to_owned(), text.to_owned()),
            ("team".to_owned(), text.to_owned()),
        ]
        .into(),
    );
    run.check = Arc::new(check);
    if let Outcome::Completed(verdict) = &mut run.outcome {
        verdict.summary = text.into();
        verdict.attributes = vec![(text.into(), text.into())];
        verdict.measurements.push(Measurement {
            name: text.into(),
            value: f64::INFINITY,
            unit: text.into(),
            attributes: vec![(text.into(), text.into())],
        });
        for assertion in &mut verdict.assertions {
            assertion.name = text.into();
        }
    }
    run
}

#[test]
fn a_nasty_text_in_every_field_leaves_both_formats_well_formed() {
    for nasty in [NASTY, "", "\"", "\\", "\n", "a\\\"} 1\nfake{a=\"b", "\u{ffff}"] {
        let run = hostile_run(nasty);
        let mut metrics = Metrics::new(&settings(), sample::noon());
        metrics.apply_suite(&[Arc::clone(&run.check)], sample::noon());
        finish(&mut metrics, &run);
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let text = metrics.exposition(format, &resource());
            let mut lines: Vec<&str> = text.strip_suffix('\n').unwrap().split('\n').collect();
            if format == Format::OpenMetrics {
                assert_eq!(lines.pop(), Some("# EOF"));
            }
            for line in lines {
                assert!(is_comment(line) || is_sample(line).is_some(), "{line:?}");
            }
        }
    }
}
