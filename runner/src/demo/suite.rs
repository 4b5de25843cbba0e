//! The bundled suite.

use std::io::Write as _;

use tempfile::NamedTempFile;

use super::DemoError;
use super::targets::Targets;
use crate::app::load::Loaded;
use crate::app::{self, Host};
use canary_run::outcome::Run;

const TEMPLATE: &str = include_str!("suite.yaml");
/// The label with the expected outcome of a check.
const EXPECTED_LABEL: &str = "ends";

/// Loads the bundled suite from a temporary file, like a user's suite. The file is removed when dropped.
pub(super) async fn load(targets: &Targets, host: &Host) -> Result<(NamedTempFile, Loaded), DemoError> {
    let mut file = tempfile::Builder::new()
        .prefix("canary-demo-")
        .suffix(".yaml")
        .tempfile()
        .map_err(DemoError::Write)?;
    file.write_all(render_template(targets).as_bytes())
        .map_err(DemoError::Write)?;
    let paths = [file.path().to_owned()];
    let loaded = app::load::load(&paths, host).await;
    Ok((file, loaded.map_err(DemoError::Suite)?))
}

/// Whether a run ended as its check's label expects.
pub(super) fn is_as_expected(run: &Run) -> bool {
    run.check
        .labels
        .get(EXPECTED_LABEL)
        .is_some_and(|expected| expected == run.outcome.as_str())
}

fn render_template(targets: &Targets) -> String {
    let ports = [
        ("<web>", targets.web),
        ("<mail>", targets.mail),
        ("<silent>", targets.silent),
        ("<valid>", targets.valid),
        ("<ending>", targets.ending),
        ("<expired>", targets.expired),
    ];
    let text = TEMPLATE.replace("<authority>", &targets.authority.replace('\n', "\\n"));
    ports.into_iter().fold(text, |text, (placeholder, address)| {
        text.replace(placeholder, &address.port().to_string())
    })
}
