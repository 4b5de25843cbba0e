//! Reading a suite: the files, then what they say of each other.

mod plugins;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::RawCheck;
use super::error::{Location, Problem, Problems, Report};
use super::interpolate::{Environment, Interpolator};
use super::layer::Layer;
use super::limits::Limits;
use super::maintenance::written::RawWindow;
use super::open_names::Open;
use super::profile;
use super::raw::{self, RawFile};
use super::secret_places::DeclaredSecrets;
use super::settings::Settings;
use super::source::{self, Source};
use super::suggest;
use super::tree::{Node, quoted};
use super::validate::{Judge, key};
use super::variables::{Variable, VariableOverrides, Variables};
use super::{
    Catalog, KnownSecrets, Operator, PluginDeclaration, PluginSource, Suite, exposure, group, parse,
    relations, secret_places, unused,
};
use crate::redact::SuiteSecrets;
use crate::regular_file::Session;

/// Plugins that do not exist and are reported one by one.
const MAX_WORDED: usize = 1_000;

/// A suite as it is written. Which plugins it needs is known; whether they agree with it is not.
pub struct Draft {
    report: Report,
    files: Vec<RawFile>,
    plugins: Vec<PluginDeclaration>,
    shared: Settings,
    /// Runs at once of each group.
    groups: BTreeMap<Arc<str>, u32>,
    /// As they hold.
    variables: Vec<Variable>,
    /// Names that may be declared where nobody can read it.
    open: Open,
    /// Profiles and defaults that no check uses, each in place of one.
    unused: Vec<RawCheck>,
    /// What to blame when there is no file to blame.
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

/// Reads files as one suite; a directory stands for its `*.yaml` and `*.yml` files. `embedded` are the names of
/// the plugins that need no declaration. Never fails: problems are kept for [`Draft::finish`]. Waits for the disk, as
/// long as `session` allows. What `overrides` says of variables wins over what the suite says.
pub fn read(
    paths: &[PathBuf],
    embedded: &[&str],
    environment: &dyn Environment,
    overrides: &VariableOverrides,
    session: &Session,
) -> Draft {
    let mut report = Report::default();
    let sources = source::load(paths, session, &mut report);
    let origin = paths.first().cloned().unwrap_or_default();
    of_sources(sources, origin, report, embedded, (environment, overrides))
}

/// Reads a text as a suite that is no file; `name` stands for it in problems.
pub fn read_text(
    name: &Path,
    text: String,
    embedded: &[&str],
    environment: &dyn Environment,
    overrides: &VariableOverrides,
) -> Draft {
    let sources = vec![Arc::new(Source::new(name, text, 0))];
    let origin = name.to_owned();
    of_sources(
        sources,
        origin,
        Report::default(),
        embedded,
        (environment, overrides),
    )
}

/// A suite needs checks; those of a file may be wrong, which is said of each.
fn report_without_checks(files: &[RawFile], origin: &Path, report: &mut Report) {
    if !files.iter().any(|file| file.has_checks) {
        report.add(Problem::of_file(origin, "the suite has no checks"));
    }
}

/// The trees of the files that hold one.
fn trees(sources: Vec<Arc<Source>>, report: &mut Report) -> Vec<(Arc<Source>, Node)> {
    let mut trees = Vec::with_capacity(sources.len());
    for source in sources {
        let before = report.count();
        match parse::parse(&source, report) {
            Some(root) => trees.push((source, root)),
            None if report.count() == before => report.add(source.file_problem("the file is empty")),
            None => {}
        }
    }
    trees
}

/// A suite of texts that were read; `report` has the problems of those that could not be.
pub(super) fn of_sources(
    sources: Vec<Arc<Source>>,
    origin: PathBuf,
    mut report: Report,
    embedded: &[&str],
    (environment, overrides): (&dyn Environment, &VariableOverrides),
) -> Draft {
    let is_read = report.count() == 0;
    let count = sources.len();
    report.know(&sources);
    let parsed = trees(sources, &mut report);
    let is_complete = is_read && parsed.len() == count;
    let mut open = Open::default();
    if !is_complete {
        open.add_file();
    }
    let mut variables = Variables::collect(&parsed, overrides, &mut report);
    let mut interpolator = Interpolator::new(environment);
    let mut files = Vec::with_capacity(parsed.len());
    for (source, root) in parsed {
        let (root, failed) = variables.replace(&source, root, &mut report);
        open.add(&root, &failed);
        report.hush(failed);
        let file = raw::file(&source, &root, &mut interpolator, &mut report);
        file.broken_plugins.iter().for_each(|name| open.plugins.add(name));
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
        variables: variables.into_shown(),
        open,
        unused: Vec::new(),
        origin,
    };
    draft.plugins = draft.declared(embedded);
    let shared = draft.shared_defaults();
    profile::apply(&mut draft.files, &shared, &draft.open.profiles, &mut draft.report);
    draft.unused = unused::find(&draft.files, &shared);
    draft.shared = shared.settings;
    draft.use_plugins(embedded);
    draft.unique_names();
    draft.groups = group::declared(&draft.files, &mut draft.report);
    relations::judge(&draft.files, &draft.open.checks, &mut draft.report);
    draft
}

impl Draft {
    /// The plugins that are declared, and the embedded ones that are used.
    #[must_use]
    pub fn plugins(&self) -> &[PluginDeclaration] {
        &self.plugins
    }

    /// The suite, when nothing at all is wrong with it.
    ///
    /// # Errors
    /// With every problem of every file.
    pub fn finish(mut self, catalog: &Catalog, operator: &Operator) -> Result<Suite, Problems> {
        let mut report = std::mem::take(&mut self.report);
        let declared = secret_places::find(&self.files, &self.unused, catalog);
        let judge = Judge {
            plugins: self.usable(catalog, &mut report),
            limits: Limits {
                operator,
                groups: &self.groups,
                open: &self.open.groups,
            },
            shared: &self.shared,
            declared: &declared,
            secrets: RefCell::new(SuiteSecrets::new(&operator.secrets)),
            config_secrets: RefCell::default(),
        };
        let checks = judge.checks(&self.files, &mut report);
        judge.unused(&self.unused, &mut report);
        match report.count() {
            0 => self.publish(&judge.secrets.borrow(), &mut report),
            _ => self.find_exposed(&declared, &mut report),
        }
        if report.count() > 0 {
            report.mask(&declared);
            return Err(report.into_problems());
        }
        let written = self.files.iter().flat_map(|file| &file.maintenance);
        let maintenance = written.filter_map(RawWindow::window).collect();
        Ok(Suite {
            checks,
            groups: self.groups,
            maintenance,
            variables: self.variables,
        })
    }

    /// Looks for secrets where a suite shows them that is refused anyway, and whose secrets nobody else need know.
    fn find_exposed(&self, declared: &DeclaredSecrets, report: &mut Report) {
        let secrets = SuiteSecrets::new(&KnownSecrets::default());
        let mut known = HashSet::new();
        for check in self.files.iter().flat_map(|file| &file.checks) {
            if known.insert(key(check)) {
                let of_config = check
                    .layer
                    .config
                    .iter()
                    .flat_map(|config| &config.filled.secrets);
                secrets.add(of_config.chain(declared.of(check)));
            }
            secrets.add(check.targets.iter().flat_map(|target| &target.secrets));
        }
        if secrets.publish().is_ok() {
            let exposed = secrets.exposed();
            exposure::judge(&self.files, &self.variables, &exposed, (&self.origin, report));
        }
    }

    /// Makes the secrets known to everyone, and looks for them where the suite itself shows them.
    fn publish(&self, secrets: &SuiteSecrets, report: &mut Report) {
        if let Err(error) = secrets.publish() {
            let problem = Problem::of_file(&self.origin, error.to_string());
            let problem = problem.transient(error.is_transient());
            return report.add(problem.hint("refer to fewer secrets, or to shorter ones"));
        }
        let exposed = secrets.exposed();
        exposure::judge(&self.files, &self.variables, &exposed, (&self.origin, report));
    }

    /// Each plugin that a file declares, once.
    fn declared(&mut self, embedded: &[&str]) -> Vec<PluginDeclaration> {
        let mut plugins: Vec<PluginDeclaration> = Vec::new();
        for file in &mut self.files {
            for plugin in std::mem::take(&mut file.plugins) {
                let subject = format!("plugin {}: ", quoted(&plugin.name));
                let message = match plugins.iter().find(|known| known.name == plugin.name) {
                    _ if embedded.contains(&plugin.name.as_str()) => {
                        "the name is that of a built-in plugin".to_owned()
                    }
                    Some(known) if known.source == plugin.source => continue,
                    Some(known) => format!("declared in another way at {}", known.location),
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

    /// Adds the embedded plugins that checks use; a name that nothing stands for is a problem.
    fn use_plugins(&mut self, embedded: &[&str]) {
        let (mut reported, mut problems, mut omitted) = (HashSet::new(), Vec::new(), 0);
        let report = &self.report;
        let of = |at, check: &RawCheck| report.source_of(at).unwrap_or_else(|| Arc::clone(&check.source));
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
                    location: of(plugin.at, check).location(plugin.at),
                });
                continue;
            }
            // Checks that inherit it have it from one place.
            if self.open.plugins.may_hold(&plugin.value) || !reported.insert(plugin.at) {
                continue;
            }
            if problems.len() >= MAX_WORDED {
                omitted += 1;
                continue;
            }
            let declared = self.plugins.iter().map(|plugin| plugin.name.as_str());
            let meant = suggest::closest(&plugin.value, embedded.iter().copied().chain(declared));
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!(
                    "declare it: `plugins: {{ {}: {{ path: FILE.wasm }} }}`",
                    plugin.value
                ),
            };
            let message = format!("{}there is no plugin {}", check.subject(), quoted(&plugin.value));
            let problem = of(plugin.at, check).problem(plugin.at, message);
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
                let message = format!("{}the name is taken by the check at {first}", check.subject());
                self.report.add(check.source.problem(name.at, message));
                check.is_namesake = true;
                check.broken = true;
            } else {
                seen.insert(name.value, check.source.location(name.at));
            }
        }
    }

    /// The defaults of files without checks: they hold for the whole suite.
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
                        "`defaults` of the whole suite are given twice, first in {}",
                        first.display()
                    );
                    let hint = "`defaults` in a file without checks hold for every file".to_owned();
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
