//! Reads a suite: first each file by itself, then what the files say of each other.

pub(super) mod merged;
mod plugins;
mod trees;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::trees::trees;
use super::check::RawCheck;
use super::inheritance::Inheritance;
use super::interpolate::{Environment, Interpolator};
use super::layer::Layer;
use super::possible_names::PossibleDeclarations;
use super::report::Report;
use super::settings::Settings;
use super::source::Source;
use super::source::load::load;
use super::suggest;
use super::syntax::{self, RawFile};
use super::tree::quoted;
use super::variables::{Variable, VariableOverrides, Variables};
use super::{PluginDeclaration, PluginSource, group, layering, relations, unused};
use crate::problem::{Location, Problem};
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
