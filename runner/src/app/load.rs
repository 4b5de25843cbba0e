//! From files to a suite whose plugins are compiled.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use super::Host;
use super::reload::Footprint;
use crate::dispatch::Plugins;
use crate::plugin::{EMBEDDED, Plugin};
use crate::suite::{
    Catalog, Draft, Environment, Operator, PluginDeclaration, PluginSource, Problems, Suite,
    SuiteEnvironment, read,
};

/// A suite that can run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its checks.
    pub suite: Suite,
    /// Their plugins.
    pub plugins: Plugins,
    /// Every file that it was made of: those of the suite, of plugins, and of what it refers to.
    pub sources: BTreeSet<PathBuf>,
    /// What the files of the suite looked like before they were read.
    pub(super) before: Footprint,
    /// What all sources looked like before plugins were compiled.
    pub(super) seen: Footprint,
}

/// The files of a suite, whatever came of it.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) sources: BTreeSet<PathBuf>,
    /// What they looked like before plugins were compiled.
    pub(super) seen: Footprint,
}

/// Reads files, compiles the plugins that they name, and judges each check by its plugin. Plugins whose bytes are in
/// memory are not compiled again. References reach what the operator lets them reach.
///
/// # Errors
/// Every problem of every file.
pub async fn load(paths: &[PathBuf], host: &Host) -> Result<Loaded, Problems> {
    load_noting(paths, host, &mut Noted::default()).await
}

/// The same; `noted` has every file that the suite is made of, also where it is refused.
///
/// # Errors
/// As [`load`].
pub(super) async fn load_noting(
    paths: &[PathBuf],
    host: &Host,
    noted: &mut Noted,
) -> Result<Loaded, Problems> {
    let embedded = EMBEDDED.map(|(name, _)| name);
    let mut sources: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    let before = Footprint::of(&sources);
    let environment = SuiteEnvironment::new(&host.settings().references);
    let noting = Noting::new(&environment);
    let draft = read(paths, &embedded, &noting);
    sources.extend(noting.files());
    sources.extend(draft.plugins().iter().filter_map(file_of));
    // Compiling takes long: a plugin that changes meanwhile has changed.
    let seen = Footprint::of(&sources);
    (noted.sources, noted.seen) = (sources.clone(), seen.clone());
    let mut catalog = Catalog::default();
    let mut plugins = Plugins::new();
    let compiled = draft.plugins().iter().map(|declared| compile(declared, host));
    for (name, plugin) in join_all(compiled).await {
        match plugin {
            Ok(plugin) => {
                catalog.insert(name.clone(), Ok(plugin.facts()));
                plugins.insert(name, plugin);
            }
            Err(reason) => catalog.insert(name, Err(reason)),
        }
    }
    judge(&draft, &plugins, host, &mut catalog).await;
    let operator = Operator {
        ceiling: host.settings().ceiling,
        notifiers: host.settings().notifiers.clone(),
        secrets: host.settings().secrets.clone(),
    };
    let suite = draft.finish(&catalog, &operator)?;
    Ok(Loaded {
        suite,
        plugins,
        sources,
        before,
        seen,
    })
}

async fn compile(declared: &PluginDeclaration, host: &Host) -> (String, Result<Arc<Plugin>, String>) {
    let plugin = Plugin::load(&declared.name, &declared.source, &host.loader, &host.sandbox).await;
    (declared.name.clone(), plugin.map_err(|error| chain(&error)))
}

/// Has the schemas of plugins that are not embedded judge the configurations of their checks.
async fn judge(draft: &Draft, plugins: &Plugins, host: &Host, catalog: &mut Catalog) {
    let untrusted = draft
        .plugins()
        .iter()
        .filter(|declared| file_of(declared).is_some());
    let loaded = untrusted.filter_map(|declared| plugins.get(&declared.name));
    let judged = loaded.map(async |plugin| {
        let request = || draft.schema_request(&plugin.name, &plugin.facts());
        let judged = host.loader.judge(request).await;
        (plugin.name.clone(), judged.map_err(|error| chain(&error)))
    });
    for (name, judgement) in join_all(judged).await {
        catalog.insert_judgement(name, judgement);
    }
}

fn file_of(plugin: &PluginDeclaration) -> Option<PathBuf> {
    match &plugin.source {
        PluginSource::Embedded => None,
        PluginSource::File { path, .. } => Some(path.clone()),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// An environment that notes which files were asked for.
struct Noting<'a> {
    environment: &'a dyn Environment,
    files: Mutex<BTreeSet<PathBuf>>,
}

impl<'a> Noting<'a> {
    fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            files: Mutex::default(),
        }
    }

    fn files(self) -> BTreeSet<PathBuf> {
        self.files.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for Noting<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.to_owned());
        self.environment.file(path)
    }

    fn withheld(&self, variable: &str) -> Option<&'static str> {
        self.environment.withheld(variable)
    }
}
