//! For the fuzz targets: a suite of one text, and the references in a text.

use std::path::Path;
use std::sync::Arc;

use super::draft::{self, Draft};
use super::error::Report;
use super::interpolate::{Environment, Interpolator, Place};
use super::source::{self, Source};
use super::variables::VariableOverrides;

/// As [`super::read`], of one file with these bytes.
pub fn read(file: &Path, bytes: Vec<u8>, embedded: &[&str], environment: &dyn Environment) -> Draft {
    let mut report = Report::default();
    let mut sources = Vec::new();
    match source::decode(file, bytes) {
        Ok(text) => sources.push(Arc::new(Source::new(file, text, 0))),
        Err(problem) => report.add(problem),
    }
    let overrides = VariableOverrides::default();
    draft::of_sources(
        sources,
        file.to_owned(),
        report,
        embedded,
        (environment, &overrides),
    )
}

/// A text with its references replaced.
#[derive(Debug)]
pub struct Expansion {
    /// For the guest only.
    pub text: String,
    /// For everyone.
    pub shown: String,
}

/// Replaces the references in a text.
///
/// # Errors
/// What is wrong with each that has no value.
pub fn expand(text: &str, environment: &dyn Environment) -> Result<Expansion, Vec<String>> {
    let place = Place {
        directory: Path::new(""),
        captures: false,
        variables: false,
    };
    let expanded = Interpolator::new(environment).expand(text, place);
    let expansion = expanded.map(|expanded| Expansion {
        text: expanded.text,
        shown: expanded.shown,
    });
    expansion.map_err(|wrong| wrong.into_iter().map(|unresolved| unresolved.message).collect())
}
