//! From files to a suite whose plugins are compiled.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::Host;
use super::reload::Footprint;
use crate::dispatch::Plugins;
use crate::io_class;
use crate::liveness;
use crate::plugin::{EMBEDDED, Plugin};
use crate::regular_file::{Owner, Session};
use crate::suite::{
    Catalog, Draft, Environment, Operator, PluginDeclaration, PluginSource, Problems, ReferencePolicy, Suite,
    SuiteEnvironment, Unusable, VariableOverrides, read, read_text,
};

/// A suite that can run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its checks.
    pub suite: Suite,
    /// Their plugins.
    pub plugins: Plugins,
    /// The files that it was made of.
    pub(super) files: Files,
}

/// The files that a suite is made of: its own, those that it refers to, and plugins.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) sources: BTreeSet<PathBuf>,
    /// What each looked like before it was read.
    pub(super) seen: Footprint,
}

impl Files {
    fn extend(&mut self, others: Self) {
        self.sources.extend(others.sources);
        self.seen.extend(others.seen);
    }
}

/// Reads files, compiles the plugins that they name, and judges each check by its plugin. Plugins whose bytes are in
/// memory are not compiled again. References reach what the operator lets them reach.
///
/// Files are read on a thread of its own; the disk may take two minutes for all of them, and as much for plugins.
///
/// Cancellation: the thread ends with the file that it reads, after ten seconds at most.
///
/// # Errors
/// Every problem of every file.
pub async fn load(paths: &[PathBuf], host: &Host) -> Result<Loaded, Problems> {
    load_noting(paths, host, &mut Files::default()).await
}

/// The same; `noted` has every file that the suite is made of, also where it is refused.
///
/// # Errors
/// As [`load`].
pub(super) async fn load_noting(
    paths: &[PathBuf],
    host: &Host,
    noted: &mut Files,
) -> Result<Loaded, Problems> {
    let session = Session::new(Owner::Suites);
    let _cancelled_with_this = session.cancel_on_drop();
    let (draft, files) = {
        let (own, settings) = (paths.to_vec(), host.settings());
        let (policy, overrides) = (settings.references.clone(), settings.variables.clone());
        on_thread(paths, move || draft(&own, &policy, &overrides, &session)).await?
    };
    noted.extend(files);
    finished(draft, paths, host, noted).await
}

/// The same for a suite of one text, which is no file. `name` stands for it in problems.
///
/// # Errors
/// Every problem of the text.
pub async fn load_text(name: &Path, text: String, host: &Host) -> Result<Loaded, Problems> {
    let session = Session::new(Owner::Suites);
    let _cancelled_with_this = session.cancel_on_drop();
    let paths = [name.to_owned()];
    let draft = {
        let (own, settings) = (name.to_owned(), host.settings());
        let (policy, overrides) = (settings.references.clone(), settings.variables.clone());
        let drafted = move || {
            let environment = SuiteEnvironment::new(&policy, session.clone());
            let embedded = EMBEDDED.map(|(name, _)| name);
            read_text(&own, text, &embedded, &environment, &overrides)
        };
        on_thread(&paths, drafted).await?
    };
    finished(draft, &paths, host, &mut Files::default()).await
}

/// Compiles the plugins of a suite, and has each check judged by its own.
async fn finished(
    draft: Draft,
    paths: &[PathBuf],
    host: &Host,
    noted: &mut Files,
) -> Result<Loaded, Problems> {
    let mut catalog = Catalog::default();
    let plugins = compile_all(&draft, host, noted, &mut catalog).await;
    judge(&draft, &plugins, host, &mut catalog).await;
    let (draft, catalog) = ask(paths, draft, catalog, &plugins, host).await?;
    let operator = Operator {
        ceiling: host.settings().ceiling,
        notifiers: host.settings().notifiers.clone(),
        secrets: host.settings().secrets.clone(),
    };
    let suite = on_thread(paths, move || draft.finish(&catalog, &operator)).await??;
    Ok(Loaded {
        suite,
        plugins,
        files: noted.clone(),
    })
}

/// Does what waits for a disk or computes for long where it holds nobody up.
async fn on_thread<T: Send + 'static>(
    paths: &[PathBuf],
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problems> {
    let done = liveness::once("suite", work).await;
    done.map_err(|error| {
        let suite = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
        let is_transient = io_class::is_transient(&error);
        Problems::of_file(suite, format!("cannot be read: {error}"), is_transient)
    })
}

/// The suite as it is written, and the files of which that was made.
fn draft(
    paths: &[PathBuf],
    policy: &ReferencePolicy,
    overrides: &VariableOverrides,
    session: &Session,
) -> (Draft, Files) {
    let sources: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    // Before they are read: what changes meanwhile has changed.
    let mut files = Files {
        seen: Footprint::within(session, &sources),
        sources,
    };
    let environment = SuiteEnvironment::new(policy, session.clone());
    let noting = Noting::new(&environment, session);
    let embedded = EMBEDDED.map(|(name, _)| name);
    let draft = read(paths, &embedded, &noting, overrides, session);
    files.extend(noting.into_files());
    (draft, files)
}

/// Compiles the plugins of a suite, and enters in `catalog` what each says of itself, or why it cannot be used.
async fn compile_all(draft: &Draft, host: &Host, noted: &mut Files, catalog: &mut Catalog) -> Plugins {
    let sources: BTreeSet<PathBuf> = draft.plugins().iter().filter_map(file_of).collect();
    if !sources.is_empty() {
        let own = sources.clone();
        let seen = liveness::once("suite", move || Footprint::of(&own)).await;
        noted.extend(Files {
            sources,
            seen: seen.unwrap_or_default(),
        });
    }
    let session = Session::new(Owner::Plugins);
    let mut plugins = Plugins::new();
    let compiled = draft
        .plugins()
        .iter()
        .map(|declared| compile(declared, host, &session));
    for (name, plugin) in join_all(compiled).await {
        match plugin {
            Ok(plugin) => {
                catalog.insert(name.clone(), Ok(plugin.facts()));
                plugins.insert(name, plugin);
            }
            Err(unusable) => catalog.insert(name, Err(unusable)),
        }
    }
    plugins
}

async fn compile(
    declared: &PluginDeclaration,
    host: &Host,
    session: &Session,
) -> (String, Result<Arc<Plugin>, Unusable>) {
    let plugin = Plugin::load(
        &declared.name,
        &declared.source,
        &host.loader,
        &host.sandbox,
        session,
    );
    let plugin = plugin.await.map_err(|error| Unusable {
        is_transient: error.is_transient(),
        reason: chain(&error),
    });
    (declared.name.clone(), plugin)
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
        let judged = judged.map_err(|error| Unusable {
            is_transient: error.is_transient(),
            reason: chain(&error),
        });
        (plugin.name.clone(), judged)
    });
    for (name, judgement) in join_all(judged).await {
        catalog.insert_judgement(name, judgement);
    }
}

/// Has plugins judge the configurations of their checks that their schemas allow.
async fn ask(
    paths: &[PathBuf],
    draft: Draft,
    catalog: Catalog,
    plugins: &Plugins,
    host: &Host,
) -> Result<(Draft, Catalog), Problems> {
    let names = plugins.iter().filter(|(_, plugin)| plugin.judges_configs());
    let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    let (draft, mut catalog, requests) = on_thread(paths, move || {
        let request = |name: String| {
            let (request, uses) = draft.config_request(&name, &catalog);
            (name, request, uses)
        };
        let requests: Vec<_> = names.into_iter().map(request).collect();
        (draft, catalog, requests)
    })
    .await?;
    let trusted: BTreeSet<&str> = draft
        .plugins()
        .iter()
        .filter(|declared| file_of(declared).is_none())
        .map(|declared| declared.name.as_str())
        .collect();
    let asked = requests.into_iter().filter_map(|(name, request, uses)| {
        let plugin = plugins.get(&name)?;
        let is_trusted = trusted.contains(name.as_str());
        Some(async move {
            let answer = host
                .loader
                .check_configs(plugin, is_trusted, request, &host.sandbox)
                .await;
            let answer = answer.map_err(|error| Unusable {
                is_transient: error.is_transient(),
                reason: chain(&error),
            });
            (name, uses, answer)
        })
    });
    for (name, uses, answer) in join_all(asked).await {
        catalog.insert_answer(name, uses, answer);
    }
    Ok((draft, catalog))
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

/// An environment that notes which files were asked for, and what they looked like before they were read.
struct Noting<'a> {
    environment: &'a dyn Environment,
    session: &'a Session,
    files: Mutex<Files>,
}

impl<'a> Noting<'a> {
    fn new(environment: &'a dyn Environment, session: &'a Session) -> Self {
        Self {
            environment,
            session,
            files: Mutex::default(),
        }
    }

    fn into_files(self) -> Files {
        self.files.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment for Noting<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let sources = BTreeSet::from([path.to_owned()]);
        let seen = Footprint::within(self.session, &sources);
        self.files().extend(Files { sources, seen });
        self.environment.file(path)
    }

    fn withheld(&self, variable: &str) -> Option<&'static str> {
        self.environment.withheld(variable)
    }
}
