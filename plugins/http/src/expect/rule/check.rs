//! Rules that nothing can meet, found when a suite is loaded.

use canary_sdk::Problems;

use super::bounds::Length;
use super::condition::{Condition, Subject};
use super::{Common, Extra, Plain, Rule};
use crate::effort::{Effort, TooCostly};
use crate::expect::UnmetReason;
use crate::expect::decimal::Decimal;
use crate::expect::pattern::{Budget, Coverage, Mode, Pattern};
use crate::text::quote;

/// Computes the mismatch that a value of a suite would have if it were the actual one.
pub(in crate::expect) type MismatchFn<V> = fn(&V, &Condition<'_, V>) -> Option<String>;

impl<V: Plain, E: Extra> Rule<V, E> {
    /// Reports rules that cannot be evaluated, that nothing can meet, or that everything meets.
    pub(in crate::expect) fn check(
        &self,
        mode: Mode,
        budget: &Budget,
        mismatch: MismatchFn<V>,
        problems: &mut Problems,
    ) {
        self.check_patterns(mode, budget, problems);
        self.check_texts(problems);
        self.bounds.check(problems);
        if let Some(length) = &self.common.length {
            let is_text = self.extra.allows_absence().is_none();
            problems.at("length", |problems| {
                length.check(self.common.empty, is_text, problems);
            });
        }
        let Common { equals, one_of, .. } = &self.common;
        let emptying = self.emptying_key(mode);
        if equals.is_some() || one_of.is_some() || emptying.is_some() {
            let others = self.evaluable_conditions(mode, budget);
            self.check_values(&others, emptying, mismatch, problems);
        }
    }

    /// The key of a rule that only empty values meet.
    fn emptying_key(&self, mode: Mode) -> Option<&'static str> {
        let Common {
            length,
            empty,
            matches,
            ..
        } = &self.common;
        let is_empty = |pattern: &Pattern| pattern.coverage(mode) == Coverage::Empty;
        // Limits that exclude each other are reported as such.
        let is_zero = |length: &Length| {
            let (least, most) = length.range();
            least < 1.0 && (0.0..1.0).contains(&most)
        };
        if *empty == Some(true) {
            Some("empty")
        } else if length.as_ref().is_some_and(is_zero) {
            Some("length")
        } else {
            matches.as_slice().iter().any(is_empty).then_some("matches")
        }
    }

    /// Reports texts that no number contains, where the value has to be one.
    pub(in crate::expect) fn check_numbers(&self, problems: &mut Problems) {
        let Some(sign) = self.bounds.first() else { return };
        let is_of_number = |character: char| {
            character.is_ascii_digit() || character.is_ascii_whitespace() || "+-.eE".contains(character)
        };
        problems.at("contains", |problems| {
            self.common.contains.check(problems, |text, problems| {
                if !text.chars().all(is_of_number) {
                    let shown = quote(text.as_bytes());
                    problems.report(format_args!(
                        "no value meets this and `{sign}`: no number contains {shown}"
                    ));
                }
            });
        });
    }

    fn check_patterns(&self, mode: Mode, budget: &Budget, problems: &mut Problems) {
        let Common {
            matches, not_matches, ..
        } = &self.common;
        for (key, patterns) in [("matches", matches), ("not_matches", not_matches)] {
            problems.at(key, |problems| {
                patterns.check(problems, |pattern, problems| {
                    pattern.check(mode, budget, problems);
                    let is_negative = key == "not_matches";
                    self.check_coverage(pattern, mode, is_negative, problems);
                });
            });
        }
        let wanted: Vec<_> = matches.as_slice().iter().map(Pattern::as_str).collect();
        problems.at("not_matches", |problems| {
            not_matches.check(problems, |pattern, problems| {
                if wanted.contains(&pattern.as_str()) {
                    let shown = quote(pattern.as_str().as_bytes());
                    problems.report(format_args!("{shown} is also in `matches`"));
                }
            });
        });
    }

    /// Reports a pattern that says nothing about a value. Where a value may be missing, one that every value matches
    /// can still say whether it is there.
    fn check_coverage(&self, pattern: &Pattern, mode: Mode, is_negative: bool, problems: &mut Problems) {
        if pattern.as_str().is_empty() {
            problems.report_with(
                "every value matches an empty pattern",
                "use `empty` to require that there is something",
            );
            return;
        }
        match pattern.coverage(mode) {
            Coverage::Nothing => problems.report("no text matches this pattern: it has an empty class"),
            Coverage::Everything if self.extra.allows_absence() != Some(is_negative) => problems.report_with(
                "every value matches this pattern, since it matches an empty text",
                "use `+` instead of `*`, or put the pattern between `^` and `$`",
            ),
            Coverage::Everything | Coverage::Empty | Coverage::Partial => {}
        }
    }

    fn check_texts(&self, problems: &mut Problems) {
        self.each_search_text(problems, check_text);
        let wanted = self.common.contains.as_slice();
        problems.at("not_contains", |problems| {
            self.common.not_contains.check(problems, |text, problems| {
                let in_which = wanted.iter().find(|wanted| wanted.contains(text.as_str()));
                let Some(wanted) = in_which.filter(|_| !text.is_empty()) else {
                    return;
                };
                let shown = quote(text.as_bytes());
                if wanted == text {
                    problems.report(format_args!("{shown} is also in `contains`"));
                } else {
                    problems.report(format_args!(
                        "{shown} is in {}, which `contains` requires",
                        quote(wanted.as_bytes())
                    ));
                }
            });
        });
    }

    /// The conditions that can be evaluated.
    fn evaluable_conditions(&self, mode: Mode, budget: &Budget) -> Vec<Condition<'_, V>> {
        let mut conditions = self.of_values();
        if !budget.is_used_up() {
            conditions.extend(self.of_patterns("", mode).unwrap_or_default());
        }
        conditions.extend(self.of_numbers());
        conditions
    }

    /// Reports whole values that the other rules exclude; `emptying` is the key of a rule that only empty values meet.
    fn check_values(
        &self,
        others: &[Condition<'_, V>],
        emptying: Option<&'static str>,
        mismatch: MismatchFn<V>,
        problems: &mut Problems,
    ) {
        let ruled_out = |value: &V, own: &[&str]| {
            let mut others = others.iter().filter(|condition| !own.contains(&condition.key()));
            others.find_map(|condition| Some((condition.key(), mismatch(value, condition)?)))
        };
        let are_ruled_out = |values: &[V], own: &[&str]| {
            let first = values.first().and_then(|value| ruled_out(value, own));
            let mut values = values.iter();
            first.filter(|_| values.all(|value| ruled_out(value, own).is_some()))
        };
        let Common { equals, one_of, .. } = &self.common;
        if let Some(value) = equals {
            report(problems, "equals", ruled_out(value, &["equals"]));
        } else if let Some(key) = emptying {
            // What `empty` and `length` say of each other is reported with the length.
            let own: &[&str] = match key {
                "matches" => &["matches"],
                _ => &["empty", "length"],
            };
            report(problems, key, are_ruled_out(&V::empty_values(), own));
        } else if let Some(values) = one_of {
            report(problems, "one_of", are_ruled_out(values, &["one_of"]));
        }
    }

    /// Reports every rule that this value, the only possible one, does not meet.
    pub(in crate::expect) fn report_unmet(
        &self,
        value: &V,
        mismatch: MismatchFn<V>,
        (mode, budget): (Mode, &Budget),
        unmet: &UnmetReason,
        problems: &mut Problems,
    ) {
        let mut reported = Vec::new();
        for condition in self.evaluable_conditions(mode, budget) {
            let key = condition.key();
            if mismatch(value, &condition).is_some() && !reported.contains(&key) {
                reported.push(key);
                problems.at(key, |problems| unmet.report(problems));
            }
        }
    }

    /// Reports numeric rules and `empty` for values that are never numbers and never empty.
    pub(in crate::expect) fn check_kind(&self, what: &str, problems: &mut Problems) {
        if let Some(sign) = self.bounds.first() {
            problems.at(sign, |problems| {
                problems.report(format_args!("{what} is not a number"))
            });
        }
        if self.common.empty.is_some() {
            problems.at("empty", |problems| {
                problems.report(format_args!("{what} is never empty"))
            });
        }
    }

    /// Visits every whole value of the rules.
    pub(in crate::expect) fn each_value(
        &self,
        problems: &mut Problems,
        mut visit: impl FnMut(&V, &mut Problems),
    ) {
        let Common {
            equals,
            not_equals,
            one_of,
            ..
        } = &self.common;
        for (key, value) in [("equals", equals), ("not_equals", not_equals)] {
            if let Some(value) = value {
                problems.at(key, |problems| visit(value, problems));
            }
        }
        problems.at("one_of", |problems| {
            for (index, value) in one_of.iter().flatten().enumerate() {
                problems.at_index(index, |problems| visit(value, problems));
            }
        });
    }

    /// Visits every text that the rules search for.
    pub(in crate::expect) fn each_search_text(
        &self,
        problems: &mut Problems,
        mut visit: impl FnMut(&str, &mut Problems),
    ) {
        let Common {
            contains,
            not_contains,
            ..
        } = &self.common;
        for (key, texts) in [("contains", contains), ("not_contains", not_contains)] {
            problems.at(key, |problems| {
                texts.check(problems, |text, problems| visit(text, problems));
            });
        }
    }

    /// Visits every pattern of the rules.
    pub(in crate::expect) fn each_pattern(
        &self,
        problems: &mut Problems,
        mut visit: impl FnMut(&Pattern, &mut Problems),
    ) {
        let Common {
            matches, not_matches, ..
        } = &self.common;
        for (key, patterns) in [("matches", matches), ("not_matches", not_matches)] {
            problems.at(key, |problems| {
                patterns.check(problems, |pattern, problems| visit(pattern, problems));
            });
        }
    }
}

/// The mismatch of a text of a suite, evaluated like a header or a body.
pub(in crate::expect) fn text_mismatch(text: &str, condition: &Condition<'_, String>) -> Option<String> {
    Some(condition.mismatch(&Literal(text), &Effort::unbounded())?.message)
}

struct Literal<'t>(&'t str);

impl Subject<String> for Literal<'_> {
    fn is(&self, expected: &String, _: &Effort) -> Result<bool, TooCostly> {
        Ok(self.0 == expected)
    }

    fn text(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// As in the body, which accepts more than a header.
    fn number(&self) -> Option<Decimal<'_>> {
        Decimal::parse(self.0.trim_ascii())
    }

    fn quoted(&self) -> String {
        quote(self.0.as_bytes())
    }
}

fn report(problems: &mut Problems, key: &str, ruled_out: Option<(&str, String)>) {
    if let Some((by, mismatch)) = ruled_out {
        problems.at(key, |problems| {
            problems.report(format_args!("no value meets this and `{by}`: {mismatch}"));
        });
    }
}

fn check_text(text: &str, problems: &mut Problems) {
    if text.is_empty() {
        problems.report_with(
            "every value contains an empty text",
            "use `empty` to require that there is something",
        );
    }
}
