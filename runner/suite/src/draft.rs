//! Reads a suite: first each file by itself, then what the files say of each other.

mod plugins;
mod trees;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::trees::trees;
use super::check::RawCheck;
use super::declared_secrets::DeclaredSecrets;
use super::inheritance::Inheritance;
use super::interpolate::{Environment, Interpolator};
use super::layer::Layer;
use super::limits::Limits;
use super::maintenance::syntax::RawWindow;
use super::possible_names::PossibleDeclarations;
use super::report::Report;
use super::secret_keys::SecretKeys;
use super::settings::Settings;
use super::source::Source;
use super::source::load::load;
use super::suggest;
use super::syntax::{self, RawFile};
use super::tree::quoted;
use super::validator::Validator;
use super::variables::{Variable, VariableOverrides, Variables};
use super::{
    Catalog, HostLimits, PluginDeclaration, PluginSource, SecretRegistry, Suite, declared_secrets, exposure,
    group, layering, relations, unused,
};
use crate::problem::{Location, Problem, Problems};
use canary_record::redact::SuiteSecrets;
use canary_system::regular_file::Session;

/// Maximum number of unknown plugins that are reported one by one.
const MAX_REPORTED: usize = 1_000;

/// A parsed suite. The plugins that it needs are known; whether its configurations are valid for them is not.
pub struct Draft {
    report: Report,
    files: Vec<RawFile>,
    plugins: Vec<PluginDeclaration>,
    shared: Settings,
    /// Concurrency limit of each group.
    groups: BTreeMap<Arc<str>, u32>,
    /// Effective values.
    variables: Vec<Variable>,
    /// Names that may be declared where they could not be read.
    possible: PossibleDeclarations,
    /// Profiles and defaults that no check uses, validated like checks.
    unused: Vec<RawCheck>,
    /// What to report problems at if there is no file.
    origin: PathBuf,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("files", &self.files.len())
            .field("plugins", &self.plugins)
            .field("problems", &self.report.count())
            .finish_non_exhaustive()
    }
}

/// Reads files as one suite; a directory stands for its `*.yaml` and `*.yml` files. `embedded` are the names of the
/// plugins that need no declaration. Never fails: problems are reported by [`Draft::finish`]. Blocks on the disk, for
/// as long as `session` allows. Variables in `overrides` take precedence over those of the suite.
pub fn read(
    paths: &[PathBuf],
    embedded: &[&str],
    environment: &dyn Environment,
    overrides: &VariableOverrides,
    session: &Session,
) -> Draft {
    let mut report = Report::default();
    let sources = load(paths, session, &mut report);
    let origin = paths.first().cloned().unwrap_or_default();
    from_sources(sources, origin, report, embedded, (environment, overrides))
}

/// Reads a text that is not a file as a suite; `name` is used as its path in problems.
pub fn read_text(
    name: &Path,
    text: String,
    embedded: &[&str],
    environment: &dyn Environment,
    overrides: &VariableOverrides,
) -> Draft {
    let sources = vec![Arc::new(Source::new(name, text, 0))];
    let origin = name.to_owned();
    from_sources(
        sources,
        origin,
        Report::default(),
        embedded,
        (environment, overrides),
    )
}

/// Reports a suite without checks. Checks that are invalid count: they are reported themselves.
fn report_without_checks(files: &[RawFile], origin: &Path, report: &mut Report) {
    if !files.iter().any(|file| file.has_checks) {
        report.add(Problem::of_file(origin, "the suite has no checks"));
    }
}

/// A draft of files that were read; `report` has the problems of those that could not be read.
pub(super) fn from_sources(
    sources: Vec<Arc<Source>>,
    origin: PathBuf,
    mut report: Report,
    embedded: &[&str],
    (environment, overrides): (&dyn Environment, &VariableOverrides),
) -> Draft {
    let is_read = report.count() == 0;
    let count = sources.len();
    report.set_sources(&sources);
    let parsed = trees(sources, &mut report);
    let is_complete = is_read && parsed.len() == count;
    let mut possible = PossibleDeclarations::default();
    if !is_complete {
        possible.add_file();
    }
    let mut variables = Variables::collect(&parsed, overrides, &mut report);
    let mut interpolator = Interpolator::new(environment);
    let mut files = Vec::with_capacity(parsed.len());
    for (source, root) in parsed {
        let (root, failed) = variables.replace(&source, root, &mut report);
        possible.add(&root, &failed);
        report.suppress(failed);
        let file = syntax::file(&source, &root, &mut interpolator, &mut report);
        file.invalid_plugins
            .iter()
            .for_each(|name| possible.plugins.add(name));
        files.push(file);
    }
    if is_complete {
        report_without_checks(&files, &origin, &mut report);
        variables.report_unknown(&origin, &mut report);
    }
    let mut draft = Draft {
        report,
        files,
        plugins: Vec::new(),
        shared: Settings::default(),
        groups: BTreeMap::new(),
        variables: variables.into_effective(),
        possible,
        unused: Vec::new(),
        origin,
    };
    draft.plugins = draft.declared(embedded);
    let shared = draft.shared_defaults();
    let mut inheritance = Inheritance::default();
    layering::apply(
        &mut draft.files,
        &shared,
        &mut inheritance,
        &draft.possible.profiles,
        &mut draft.report,
    );
    draft.unused = unused::find(&draft.files, &shared, &mut inheritance, &mut draft.report);
    draft.shared = shared.settings;
    draft.use_plugins(embedded);
    draft.unique_names();
    let files = draft.files.iter();
    let groups = files.flat_map(|file| file.groups.iter().map(|group| (&*file.source, group)));
    draft.groups = group::declared(groups, &mut draft.report);
    relations::validate(&draft.files, &draft.possible.checks, &mut draft.report);
    draft
}

impl Draft {
    /// The declared plugins, and the embedded ones that are used.
    #[must_use]
    pub fn plugins(&self) -> &[PluginDeclaration] {
        &self.plugins
    }

    /// The suite, if it has no problem at all.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn finish(mut self, catalog: &Catalog, host_limits: &HostLimits) -> Result<Suite, Problems> {
        let mut report = std::mem::take(&mut self.report);
        let declared = declared_secrets::find(&self.files, &self.unused, catalog);
        let validator = Validator {
            plugins: self.usable_plugins(catalog, &mut report),
            limits: Limits {
                host_limits,
                groups: &self.groups,
                possible: &self.possible.groups,
            },
            shared: &self.shared,
            declared: &declared,
            secrets: RefCell::new(SuiteSecrets::new(&host_limits.secrets)),
            config_secrets: RefCell::default(),
            disabled: RefCell::default(),
        };
        let checks = validator.checks(&self.files, &mut report);
        validator.unused(&self.unused, &mut report);
        match report.count() {
            0 => self.register_secrets(&validator.secrets.borrow(), &mut report),
            _ => self.report_exposed_of_invalid(&declared, &mut report),
        }
        if report.count() > 0 {
            let mut problems = report.into_problems(&SecretKeys::of(catalog));
            declared.mask_problems(problems.iter_mut());
            return Err(problems);
        }
        let written = self.files.iter().flat_map(|file| &file.maintenance);
        let maintenance = written.filter_map(RawWindow::window).collect();
        Ok(Suite {
            checks,
            disabled: validator.disabled.into_inner(),
            groups: self.groups,
            maintenance,
            variables: self.variables,
        })
    }

    /// Searches the visible texts of an invalid suite for its secrets, without registering these.
    fn report_exposed_of_invalid(&self, declared: &DeclaredSecrets, report: &mut Report) {
        let secrets = SuiteSecrets::new(&SecretRegistry::default());
        let mut known = HashSet::new();
        for check in self.files.iter().flat_map(|file| &file.checks) {
            if known.insert(check.config_key()) {
                let of_config = check
                    .layer
                    .config
                    .iter()
                    .flat_map(|config| &config.interpolated.secrets);
                secrets.add(of_config.chain(declared.of_check(check)));
            }
            secrets.add(check.targets.iter().flat_map(|target| &target.secrets));
        }
        if secrets.publish().is_ok() {
            let exposed = secrets.exposed();
            exposure::report_exposed(&self.files, &self.variables, &exposed, (&self.origin, report));
        }
    }

    /// Registers the secrets, and searches the suite's visible texts for them.
    fn register_secrets(&self, secrets: &SuiteSecrets, report: &mut Report) {
        if let Err(error) = secrets.publish() {
            let problem = Problem::of_file(&self.origin, error.to_string());
            let problem = problem.transient(error.is_transient());
            return report.add(problem.hint("refer to fewer secrets, or to shorter ones"));
        }
        let exposed = secrets.exposed();
        exposure::report_exposed(&self.files, &self.variables, &exposed, (&self.origin, report));
    }

    /// Each declared plugin, once.
    fn declared(&mut self, embedded: &[&str]) -> Vec<PluginDeclaration> {
        let mut plugins: Vec<PluginDeclaration> = Vec::new();
        for file in &mut self.files {
            for plugin in std::mem::take(&mut file.plugins) {
                let subject = format!("plugin {}: ", quoted(&plugin.name));
                let message = match plugins.iter().find(|known| known.name == plugin.name) {
                    _ if embedded.contains(&plugin.name.as_str()) => {
                        "the name is reserved for a built-in plugin".to_owned()
                    }
                    Some(known) if known.source == plugin.source => continue,
                    Some(known) => format!("already declared differently at {}", known.location),
                    None => {
                        plugins.push(plugin);
                        continue;
                    }
                };
                let at = plugin.location.at.unwrap_or(super::Position::new(1, 1));
                self.report.add(file.source.problem(at, subject + &message));
            }
        }
        plugins
    }

    /// Adds the embedded plugins that checks use, and reports unknown ones.
    fn use_plugins(&mut self, embedded: &[&str]) {
        let (mut reported, mut problems, mut omitted) = (HashSet::new(), Vec::new(), 0);
        let report = &self.report;
        let source_of =
            |at, check: &RawCheck| report.source_of(at).unwrap_or_else(|| Arc::clone(&check.source));
        let mut known: HashSet<String> = self.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        for check in self
            .files
            .iter()
            .flat_map(|file| &file.checks)
            .chain(&self.unused)
        {
            let written = check.layer.plugin.get();
            let Some(plugin) = written.filter(|plugin| !known.contains(&*plugin.value)) else {
                continue;
            };
            if embedded.contains(&&*plugin.value) {
                if check.is_layer() && check.layer.config.is_none() {
                    continue;
                }
                known.insert(plugin.value.to_string());
                self.plugins.push(PluginDeclaration {
                    name: plugin.value.to_string(),
                    source: PluginSource::Embedded,
                    location: source_of(plugin.at, check).location(plugin.at),
                });
                continue;
            }
            // Checks that inherit it share one position.
            if self.possible.plugins.may_contain(&plugin.value) || !reported.insert(plugin.at) {
                continue;
            }
            if problems.len() >= MAX_REPORTED {
                omitted += 1;
                continue;
            }
            let declared = self.plugins.iter().map(|plugin| plugin.name.as_str());
            let meant = suggest::closest(&plugin.value, embedded.iter().copied().chain(declared));
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "built in: `{}`; declare another: `plugins: {{ {}: {{ path: FILE.wasm }} }}`",
                    embedded.join("`, `"),
                    plugin.value
                ),
            };
            let message = format!("{}unknown plugin {}", check.subject(), quoted(&plugin.value));
            let problem = source_of(plugin.at, check).problem(plugin.at, message);
            problems.push(problem.hint(hint));
        }
        for problem in problems {
            self.report.add(problem);
        }
        (0..omitted).for_each(|_| self.report.omit());
    }

    fn unique_names(&mut self) {
        let mut seen: HashMap<Arc<str>, Location> = HashMap::new();
        for check in self.files.iter_mut().flat_map(|file| &mut file.checks) {
            let Some(name) = check.name.clone() else { continue };
            if let Some(first) = seen.get(&name.value) {
                let message = format!(
                    "{}the name is already used by the check at {first}",
                    check.subject()
                );
                self.report.add(check.source.problem(name.at, message));
                check.is_namesake = true;
                check.is_invalid = true;
            } else {
                seen.insert(name.value, check.source.location(name.at));
            }
        }
    }

    /// The defaults of files without checks, which apply to the whole suite.
    fn shared_defaults(&mut self) -> Layer {
        let mut shared = Layer::default();
        let mut first: Option<Arc<Path>> = None;
        for file in self
            .files
            .iter()
            .filter(|file| !file.has_checks && file.defaults_at.is_some())
        {
            match (&first, file.defaults_at) {
                (Some(first), Some(at)) => {
                    let message = format!(
                        "`defaults` are set twice for the whole suite, first in {}",
                        first.display()
                    );
                    let hint = "`defaults` in a file without checks apply to every file".to_owned();
                    self.report.add(file.source.problem(at, message).hint(hint));
                }
                _ => {
                    shared = file.defaults.clone();
                    first = Some(Arc::clone(&file.source.path));
                }
            }
        }
        shared
    }
}
