//! Loads a suite: reads its files, compiles its plugins, and validates its checks.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use super::Host;
use super::file_fingerprint::FileFingerprint;
use canary_sandbox::dispatch::Plugins;
use canary_sandbox::plugin::{EMBEDDED, Plugin};
use canary_suite::{
    Catalog, Draft, Environment, HostLimits, MergedDraft, PluginDeclaration, PluginSource, Problems,
    ReferencePolicy, Suite, SuiteEnvironment, Unusable, VariableOverrides, read, read_text,
};
use canary_system::io_class;
use canary_system::liveness;
use canary_system::regular_file::{Owner, Session};

/// A suite that is ready to run.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The parsed suite.
    pub suite: Suite,
    /// Its compiled plugins.
    pub plugins: Plugins,
    /// The files it was loaded from.
    pub(super) files: Files,
}

/// The files of a suite: its sources, the files it references, and its plugins.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) sources: BTreeSet<PathBuf>,
    /// Fingerprint of each file, taken before the file was read.
    pub(super) fingerprint: FileFingerprint,
}

impl Files {
    fn extend(&mut self, others: Self) {
        self.sources.extend(others.sources);
        self.fingerprint.extend(others.fingerprint);
    }
}

/// Reads the suite files, compiles the plugins that they name, and has the plugins validate their checks. A plugin
/// whose bytes are already loaded is not compiled again. References are restricted to what the operator allows.
///
/// Files are read on a separate thread; reading all suite files may take up to two minutes, and so may reading all
/// plugins.
///
/// Cancellation: the thread ends after the file that it is reading, within ten seconds.
///
/// # Errors
/// Every problem of every file.
pub async fn load(paths: &[PathBuf], host: &Host) -> Result<Loaded, Problems> {
    load_recording(paths, host, &mut Files::default()).await
}

/// Like [`load`]; adds every file of the suite to `recorded`, also if the suite is invalid.
///
/// # Errors
/// As [`load`].
pub(super) async fn load_recording(
    paths: &[PathBuf],
    host: &Host,
    recorded: &mut Files,
) -> Result<Loaded, Problems> {
    let session = Session::new(Owner::Suites);
    let _cancelled_with_this = session.cancel_on_drop();
    let (draft, files) = {
        let (own, settings) = (paths.to_vec(), host.settings());
        let (policy, overrides) = (settings.references.clone(), settings.variables.clone());
        on_thread(paths, move || read_draft(&own, &policy, &overrides, &session)).await?
    };
    recorded.extend(files);
    compile_and_validate(draft, paths, host, recorded).await
}

/// Like [`load`] for a suite given as text. `name` stands for the file in problems.
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
        let parse = move || {
            let environment = SuiteEnvironment::new(&policy, session.clone());
            let embedded = EMBEDDED;
            read_text(&own, text, &embedded, &environment, &overrides)
        };
        on_thread(&paths, parse).await?
    };
    compile_and_validate(draft, &paths, host, &mut Files::default()).await
}

/// Compiles the plugins of a suite and has them validate their checks.
async fn compile_and_validate(
    draft: Draft,
    paths: &[PathBuf],
    host: &Host,
    recorded: &mut Files,
) -> Result<Loaded, Problems> {
    let mut catalog = Catalog::default();
    let plugins = compile_all(&draft, host, recorded, &mut catalog).await;
    let (draft, mut catalog) = on_thread(paths, move || (draft.merge_configs(&catalog), catalog)).await?;
    validate_schemas(&draft, &plugins, host, &mut catalog).await;
    let (draft, catalog) = validate_configs(paths, draft, catalog, &plugins, host).await?;
    let limits = HostLimits {
        ceiling: host.settings().ceiling,
        notifiers: host.settings().notifiers.clone(),
        secrets: host.settings().secrets.clone(),
    };
    let suite = on_thread(paths, move || draft.finish(&catalog, &limits)).await??;
    Ok(Loaded {
        suite,
        plugins,
        files: recorded.clone(),
    })
}

/// Runs blocking or CPU-bound work on a thread of its own, so that it does not block the runtime.
async fn on_thread<T: Send + 'static>(
    paths: &[PathBuf],
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problems> {
    let done = liveness::run_blocking("suite", work).await;
    done.map_err(|error| {
        let suite = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
        let is_transient = io_class::is_transient(&error);
        Problems::of_file(suite, format!("cannot be read: {error}"), is_transient)
    })
}

/// Parses the suite; also returns the files that it was read from.
fn read_draft(
    paths: &[PathBuf],
    policy: &ReferencePolicy,
    overrides: &VariableOverrides,
    session: &Session,
) -> (Draft, Files) {
    let sources: BTreeSet<PathBuf> = paths.iter().cloned().collect();
    // Taken before the files are read, so that a change during the read is detected.
    let mut files = Files {
        fingerprint: FileFingerprint::within(session, &sources),
        sources,
    };
    let environment = SuiteEnvironment::new(policy, session.clone());
    let recording = RecordingEnvironment::new(&environment, session);
    let embedded = EMBEDDED;
    let draft = read(paths, &embedded, &recording, overrides, session);
    files.extend(recording.into_files());
    (draft, files)
}

/// Compiles the plugins of a suite and adds the facts of each, or the reason why it is unusable, to `catalog`.
async fn compile_all(draft: &Draft, host: &Host, recorded: &mut Files, catalog: &mut Catalog) -> Plugins {
    let sources: BTreeSet<PathBuf> = draft.plugins().iter().filter_map(file_of).collect();
    if !sources.is_empty() {
        let own = sources.clone();
        let fingerprint = liveness::run_blocking("suite", move || FileFingerprint::new(&own)).await;
        recorded.extend(Files {
            sources,
            fingerprint: fingerprint.unwrap_or_default(),
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
        reason: error_chain(&error),
    });
    (declared.name.clone(), plugin)
}

/// Validates the configurations of checks against the schemas of plugins that are not embedded.
async fn validate_schemas(draft: &MergedDraft, plugins: &Plugins, host: &Host, catalog: &mut Catalog) {
    let untrusted = draft
        .plugins()
        .iter()
        .filter(|declared| file_of(declared).is_some());
    let loaded = untrusted.filter_map(|declared| plugins.get(&declared.name));
    let validations = loaded.map(async |plugin| {
        let request = || draft.schema_request(&plugin.name, &plugin.facts());
        let result = host.loader.validate(request).await;
        let result = result.map_err(|error| Unusable {
            is_transient: error.is_transient(),
            reason: error_chain(&error),
        });
        (plugin.name.clone(), result)
    });
    for (name, result) in join_all(validations).await {
        catalog.insert_schema_response(name, result);
    }
}

/// Has plugins validate the configurations that their schemas accept.
async fn validate_configs(
    paths: &[PathBuf],
    draft: MergedDraft,
    catalog: Catalog,
    plugins: &Plugins,
    host: &Host,
) -> Result<(MergedDraft, Catalog), Problems> {
    let names = plugins.iter().filter(|(_, plugin)| plugin.exports_check_config());
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
    let validations = requests.into_iter().filter_map(|(name, request, uses)| {
        let plugin = plugins.get(&name)?;
        let is_trusted = trusted.contains(name.as_str());
        Some(async move {
            let answer = host
                .loader
                .check_configs(plugin, is_trusted, request, &host.sandbox)
                .await;
            let answer = answer.map_err(|error| Unusable {
                is_transient: error.is_transient(),
                reason: error_chain(&error),
            });
            (name, uses, answer)
        })
    });
    for (name, uses, answer) in join_all(validations).await {
        catalog.insert_config_response(name, uses, answer);
    }
    Ok((draft, catalog))
}

fn file_of(plugin: &PluginDeclaration) -> Option<PathBuf> {
    match &plugin.source {
        PluginSource::Embedded => None,
        PluginSource::File { path, .. } => Some(path.clone()),
    }
}

/// Formats an error and its causes on one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// An environment that records which files were requested and their fingerprints before the read.
struct RecordingEnvironment<'a> {
    environment: &'a dyn Environment,
    session: &'a Session,
    files: Mutex<Files>,
}

impl<'a> RecordingEnvironment<'a> {
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

impl Environment for RecordingEnvironment<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let sources = BTreeSet::from([path.to_owned()]);
        let fingerprint = FileFingerprint::within(self.session, &sources);
        self.files().extend(Files { sources, fingerprint });
        self.environment.file(path)
    }

    fn withheld(&self, variable: &str) -> Option<&'static str> {
        self.environment.withheld(variable)
    }
}
