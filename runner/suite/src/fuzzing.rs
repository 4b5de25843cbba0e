//! Entry points for the fuzz targets: a suite of one file, and the references in a text.

use std::path::Path;
use std::sync::Arc;

use super::draft::{self, Draft};
use super::interpolate::{Environment, InterpolationContext, Interpolator};
use super::report::Report;
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
    draft::from_sources(
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
    /// With secrets in the clear: for the guest only.
    pub text: String,
    /// With secrets masked.
    pub shown: String,
}

/// Replaces the references in a text.
///
/// # Errors
/// One message for each reference that has no value.
pub fn expand(text: &str, environment: &dyn Environment) -> Result<Expansion, Vec<String>> {
    let context = InterpolationContext {
        directory: Path::new(""),
        captures: false,
        variables: false,
    };
    let expanded = Interpolator::new(environment).expand(text, context);
    let expansion = expanded.map(|expanded| Expansion {
        text: expanded.text,
        shown: expanded.masked,
    });
    expansion.map_err(|wrong| wrong.into_iter().map(|unresolved| unresolved.message).collect())
}
