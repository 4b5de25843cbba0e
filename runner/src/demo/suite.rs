//! The bundled suite.

use std::io::Write as _;

use tempfile::NamedTempFile;

use super::DemoError;
use super::targets::Targets;
use crate::app::load::Loaded;
use crate::app::{self, Host};
use crate::outcome::Run;

const TEMPLATE: &str = include_str!("suite.yaml");
/// The label in which the suite says how a check should end.
const TOLD: &str = "ends";

/// Reads the bundled suite as a user's would be read, from a file, which goes when it is dropped.
pub(super) async fn load(targets: &Targets, host: &Host) -> Result<(NamedTempFile, Loaded), DemoError> {
    let mut file = tempfile::Builder::new()
        .prefix("canary-demo-")
        .suffix(".yaml")
        .tempfile()
        .map_err(DemoError::Write)?;
    file.write_all(fill_in(targets).as_bytes())
        .map_err(DemoError::Write)?;
    let paths = [file.path().to_owned()];
    let loaded = app::load::load(&paths, host).await;
    Ok((file, loaded.map_err(DemoError::Suite)?))
}

/// Whether a run ended as its check's label says.
pub(super) fn is_as_told(run: &Run) -> bool {
    run.check
        .labels
        .get(TOLD)
        .is_some_and(|told| told == run.outcome.word())
}

fn fill_in(targets: &Targets) -> String {
    let ports = [
        ("<web>", targets.web),
        ("<mail>", targets.mail),
        ("<silent>", targets.silent),
        ("<valid>", targets.valid),
        ("<ending>", targets.ending),
        ("<expired>", targets.expired),
    ];
    let text = TEMPLATE.replace("<authority>", &targets.authority.replace('\n', "\\n"));
    ports.into_iter().fold(text, |text, (place, address)| {
        text.replace(place, &address.port().to_string())
    })
}
