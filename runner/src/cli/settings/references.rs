//! What suites may reference. Files and variables that belong to the runner are excluded.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use canary_settings::{NONE, SuiteReferences};
use canary_suite::{Environment, ReferencePolicy};

#[derive(Debug, Clone, Default, Args)]
pub(super) struct ReferenceArgs {
    /// Variables for `${env:}`, such as `WEB_*`, or `none` [default: all but canary's]
    #[arg(long, env = "CANARY_SUITE_ENV", value_delimiter = ',', value_name = "PATTERN")]
    suite_env: Option<Vec<String>>,
    /// Files and folders for `${file:}`, or `none` [default: all but canary's]
    #[arg(long, env = "CANARY_SUITE_FILES", value_delimiter = ',', value_name = "PATH")]
    suite_files: Option<Vec<PathBuf>>,
}

impl ReferenceArgs {
    /// From the flags, or else the file; what the settings reference belongs to the runner.
    pub(super) fn policy(
        &self,
        file: SuiteReferences,
        settings: RecordingEnvironment<'_>,
    ) -> ReferencePolicy {
        let names = |names: &Vec<String>| match names.as_slice() {
            [none] if none == NONE => Vec::new(),
            names => names.iter().filter(|name| !name.is_empty()).cloned().collect(),
        };
        let paths = |paths: &Vec<PathBuf>| match paths.as_slice() {
            [none] if none.as_os_str() == NONE => Vec::new(),
            paths => paths
                .iter()
                .filter(|path| !path.as_os_str().is_empty())
                .cloned()
                .collect(),
        };
        ReferencePolicy {
            variables: self.suite_env.as_ref().map(names).or(file.env),
            files: self.suite_files.as_ref().map(paths).or(file.files),
            own_variables: settings.variables.into_inner(),
            own_paths: settings.files.into_inner(),
        }
    }
}

/// An environment that records what the runner's settings reference.
pub(super) struct RecordingEnvironment<'a> {
    environment: &'a dyn Environment,
    variables: RefCell<BTreeSet<String>>,
    files: RefCell<BTreeSet<PathBuf>>,
    values: RefCell<BTreeSet<String>>,
}

impl<'a> RecordingEnvironment<'a> {
    pub(super) fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            variables: RefCell::default(),
            files: RefCell::default(),
            values: RefCell::default(),
        }
    }

    /// The values of the references.
    pub(super) fn values(&self) -> BTreeSet<String> {
        self.values.borrow().clone()
    }
}

impl Environment for RecordingEnvironment<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.borrow_mut().insert(name.to_owned());
        let value = self.environment.variable(name)?;
        self.values.borrow_mut().insert(value.clone());
        Some(value)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.borrow_mut().insert(path.to_owned());
        let bytes = self.environment.file(path)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        self.values.borrow_mut().insert(text);
        Ok(bytes)
    }
}
