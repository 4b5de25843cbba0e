//! Detects secrets that a suite exposes itself: the value of a reference that is also written in plain in a public
//! field.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::Variable;
use super::labels::RawLabels;
use super::layer::Layer;
use super::report::Report;
use super::source::Source;
use super::syntax::RawFile;
use super::tree::quoted;
use crate::problem::{Origin, Position, Problem};
use canary_record::redact::ExposedSecrets;

const HINT: &str = "it would appear in every output: remove it, or do not use it as a secret elsewhere";

/// Searches the public texts of checks, profiles, defaults and variables. Findings are reported without their source
/// line.
pub(super) fn report_exposed(
    files: &[RawFile],
    variables: &[Variable],
    secrets: &ExposedSecrets,
    (origin, report): (&Path, &mut Report),
) {
    if secrets.is_empty() {
        return;
    }
    for file in files {
        let mut search = Search {
            source: &file.source,
            secrets,
            report,
            labels: HashSet::new(),
        };
        search.layer("`defaults`: ", &file.defaults);
        for profile in &file.profiles {
            search.layer(&profile.subject(), &profile.layer);
        }
        for check in &file.checks {
            // The subject would contain the secret.
            if let Some(name) = &check.name {
                search.text("", "name", &name.value, name.at);
            }
            let holds = check
                .name
                .as_ref()
                .is_some_and(|name| secrets.appear_in(&name.value));
            let subject = if holds { String::new() } else { check.subject() };
            search.layer(&subject, &check.layer);
        }
    }
    for variable in variables
        .iter()
        .filter(|variable| secrets.appear_in(&variable.value))
    {
        let message = format!(
            "the variable {} holds a secret of the suite",
            quoted(&variable.name)
        );
        let problem = match &variable.location {
            Some(location) => Problem::new(Origin::File(location.clone()), message),
            None => Problem::of_file(origin, message),
        };
        report.add(problem.hint(HINT));
    }
}

struct Search<'a> {
    source: &'a Arc<Source>,
    secrets: &'a ExposedSecrets,
    report: &'a mut Report,
    /// Labels that were searched already: checks share inherited ones.
    labels: HashSet<*const RawLabels>,
}

impl Search<'_> {
    fn layer(&mut self, subject: &str, layer: &Layer) {
        let settings = &layer.settings;
        let texts = [
            ("description", &settings.description),
            ("runbook_url", &settings.runbook_url),
            ("group", &settings.group),
        ];
        for (key, text) in texts {
            if let Some(text) = text.get() {
                self.text(subject, key, &text.value, text.at);
            }
        }
        if !self.labels.insert(Arc::as_ptr(&layer.labels)) {
            return;
        }
        for (name, value) in layer.labels.located() {
            self.text(subject, "labels", name, value.key);
            self.text(subject, "labels", &value.value, value.at);
        }
    }

    fn text(&mut self, subject: &str, key: &str, text: &str, at: Position) {
        if !self.secrets.appear_in(text) {
            return;
        }
        let message = format!("`{key}` holds a secret of the suite");
        // A text that several checks inherit is reported once.
        if !self.report.is_first(at, &message) {
            return;
        }
        let source = self
            .report
            .source_of(at)
            .unwrap_or_else(|| Arc::clone(self.source));
        let mut problem = source.problem(at, format!("{subject}{message}"));
        problem.source_line = None;
        self.report.add(problem.hint(HINT));
    }
}
