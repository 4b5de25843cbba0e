//! Reading a suite: the files, then what they say of each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::RawCheck;
use super::contract::Contract;
use super::error::{Location, Problem, Problems, Report};
use super::interpolate::{Environment, Interpolator};
use super::judgement::{Judgement, PortableConfig, SchemaRequest, Verdicts};
use super::maintenance::written::RawWindow;
use super::portable::PortableNode;
use super::raw::{self, RawFile};
use super::settings::Settings;
use super::source::{self, Source};
use super::suggest;
use super::tree::quoted;
use super::validate::{self, Judge, Schema, Usable};
use super::{
    Catalog, Operator, PluginDeclaration, PluginFacts, PluginSource, Suite, Unusable, group, parse, relations,
};
use crate::redact::SuiteSecrets;
use crate::regular_file::Session;

/// A suite as it is written. Which plugins it needs is known; whether they agree with it is not.
pub struct Draft {
    report: Report,
    files: Vec<RawFile>,
    plugins: Vec<PluginDeclaration>,
    shared: Settings,
    /// Runs at once of each group.
    groups: BTreeMap<Arc<str>, u32>,
    /// Whether every file could be read: only then is it known what is not declared.
    complete: bool,
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
/// long as `session` allows.
pub fn read(paths: &[PathBuf], embedded: &[&str], environment: &dyn Environment, session: &Session) -> Draft {
    let mut report = Report::default();
    let sources = source::load(paths, session, &mut report);
    let origin = paths.first().cloned().unwrap_or_default();
    of_sources(sources, origin, report, embedded, environment)
}

/// A suite of texts that were read; `report` has the problems of those that could not be.
pub(super) fn of_sources(
    sources: Vec<Arc<Source>>,
    origin: PathBuf,
    mut report: Report,
    embedded: &[&str],
    environment: &dyn Environment,
) -> Draft {
    let mut interpolator = Interpolator::new(environment);
    let mut files = Vec::new();
    let mut complete = report.count() == 0;
    for source in sources {
        let before = report.count();
        let Some(root) = parse::parse(&source, &mut report) else {
            complete = false;
            if report.count() == before {
                report.add(source.file_problem("the file is empty"));
            }
            continue;
        };
        files.push(raw::file(&source, &root, &mut interpolator, &mut report));
    }
    let mut draft = Draft {
        report,
        files,
        plugins: Vec::new(),
        shared: Settings::default(),
        groups: BTreeMap::new(),
        complete,
        origin,
    };
    draft.plugins = draft.declared(embedded);
    draft.use_plugins(embedded);
    draft.unique_names();
    draft.shared = draft.shared_defaults();
    draft.groups = group::declared(&draft.files, &mut draft.report);
    relations::judge(&draft.files, draft.complete, &mut draft.report);
    draft
}

impl Draft {
    /// The plugins that are declared, and the embedded ones that are used.
    #[must_use]
    pub fn plugins(&self) -> &[PluginDeclaration] {
        &self.plugins
    }

    /// What [`super::judge`] is to judge for this plugin, so that [`Draft::finish`] need not.
    #[must_use]
    pub fn schema_request(&self, plugin: &str, facts: &PluginFacts) -> SchemaRequest {
        let configs = self.judged(plugin).filter_map(|check| {
            let (value, written) = validate::written(check)?;
            Some(PortableConfig {
                value: value.into_owned(),
                key: written.key,
                node: written.node.map(PortableNode::of),
            })
        });
        SchemaRequest {
            configs: configs.collect(),
            schema: facts.config_schema.as_ref().clone(),
        }
    }

    /// The checks of a plugin whose configuration can be judged.
    fn judged(&self, plugin: &str) -> impl Iterator<Item = &RawCheck> {
        let checks = self.files.iter().flat_map(|file| &file.checks);
        let plugin = plugin.to_owned();
        checks.filter(move |check| {
            let is_of_plugin = check.plugin.as_ref().is_some_and(|own| *own.value == *plugin);
            is_of_plugin && validate::written(check).is_some()
        })
    }

    /// The suite, when nothing at all is wrong with it.
    ///
    /// # Errors
    /// With every problem of every file.
    pub fn finish(mut self, catalog: &Catalog, operator: &Operator) -> Result<Suite, Problems> {
        let mut report = std::mem::take(&mut self.report);
        let judge = Judge {
            plugins: self.usable(catalog, &mut report),
            operator,
            groups: self.complete.then_some(&self.groups),
            shared: &self.shared,
            secrets: RefCell::new(SuiteSecrets::new(&operator.secrets)),
        };
        let checks = judge.checks(&self.files, &mut report);
        if report.count() == 0
            && let Err(error) = judge.secrets.borrow().publish()
        {
            let problem = Problem::of_file(&self.origin, error.to_string());
            let problem = problem.transient(error.is_transient());
            report.add(problem.hint("refer to fewer secrets, or to shorter ones"));
        }
        if report.count() > 0 {
            return Err(report.into_problems());
        }
        if checks.is_empty() {
            report.add(Problem::of_file(&self.origin, "the suite has no checks"));
            return Err(report.into_problems());
        }
        let written = self.files.iter().flat_map(|file| &file.maintenance);
        let maintenance = written.filter_map(RawWindow::window).collect();
        Ok(Suite {
            checks,
            groups: self.groups,
            maintenance,
        })
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
                let at = plugin
                    .location
                    .at
                    .unwrap_or(super::Position { line: 1, column: 1 });
                self.report.add(file.source.problem(at, subject + &message));
            }
        }
        plugins
    }

    /// Adds the embedded plugins that checks use; a name that nothing stands for is a problem.
    fn use_plugins(&mut self, embedded: &[&str]) {
        let mut known: HashSet<String> = self.plugins.iter().map(|plugin| plugin.name.clone()).collect();
        for check in self.files.iter().flat_map(|file| &file.checks) {
            let Some(plugin) = check
                .plugin
                .as_ref()
                .filter(|plugin| !known.contains(&*plugin.value))
            else {
                continue;
            };
            if embedded.contains(&&*plugin.value) {
                known.insert(plugin.value.to_string());
                self.plugins.push(PluginDeclaration {
                    name: plugin.value.to_string(),
                    source: PluginSource::Embedded,
                    location: check.source.location(plugin.at),
                });
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
            self.report
                .add(check.source.problem(plugin.at, message).hint(hint));
        }
    }

    fn unique_names(&mut self) {
        let mut seen: HashMap<Arc<str>, Location> = HashMap::new();
        for check in self.files.iter_mut().flat_map(|file| &mut file.checks) {
            let Some(name) = check.name.clone() else { continue };
            if let Some(first) = seen.get(&name.value) {
                let message = format!("{}the name is taken by the check at {first}", check.subject());
                self.report.add(check.source.problem(name.at, message));
                check.broken = true;
            } else {
                seen.insert(name.value, check.source.location(name.at));
            }
        }
    }

    /// The defaults of files without checks: they hold for the whole suite.
    fn shared_defaults(&mut self) -> Settings {
        let mut shared = Settings::default();
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

    /// The plugins that could be loaded and whose schema makes sense; the others are problems.
    fn usable<'a>(&'a self, catalog: &'a Catalog, report: &mut Report) -> HashMap<&'a str, Usable<'a>> {
        let mut usable = HashMap::with_capacity(self.plugins.len());
        for plugin in &self.plugins {
            let schema = match catalog.get(&plugin.name) {
                Some(Ok(facts)) => self
                    .schema(&plugin.name, facts, catalog)
                    .map(|schema| (facts, schema)),
                Some(Err(error)) => Err(error.clone()),
                None => Err(Unusable::from("was not loaded".to_owned())),
            };
            match schema {
                Ok((facts, schema)) => {
                    let embedded = plugin.source == PluginSource::Embedded;
                    usable.insert(
                        &*plugin.name,
                        Usable {
                            facts,
                            schema,
                            embedded,
                        },
                    );
                }
                Err(unusable) => {
                    let problem = self.plugin_problem(plugin, &unusable.reason);
                    report.add(problem.transient(unusable.is_transient));
                }
            }
        }
        usable
    }

    fn schema(&self, plugin: &str, facts: &PluginFacts, catalog: &Catalog) -> Result<Schema, Unusable> {
        let wrong =
            |reason: &str| Unusable::from(format!("the schema of its configuration is wrong: {reason}"));
        match catalog.judgements.get(plugin) {
            None => match Contract::new(&facts.config_schema) {
                Ok(contract) => Ok(Schema::Here(Box::new(contract))),
                Err(reason) => Err(wrong(&reason)),
            },
            Some(Ok(Judgement::Verdicts(verdicts))) => {
                let places = self.judged(plugin).map(validate::place);
                Ok(Schema::Elsewhere(Verdicts::new(places, verdicts)))
            }
            Some(Ok(Judgement::BadSchema(reason))) => Err(wrong(reason)),
            Some(Err(unusable)) => Err(Unusable {
                reason: format!("its schema cannot be used: {}", unusable.reason),
                is_transient: unusable.is_transient,
            }),
        }
    }

    fn plugin_problem(&self, plugin: &PluginDeclaration, reason: &str) -> Problem {
        let message = format!("plugin {}: {reason}", quoted(&plugin.name));
        let file = self
            .files
            .iter()
            .find(|file| file.source.path == plugin.location.file);
        match file.zip(plugin.location.at) {
            Some((file, at)) => file.source.problem(at, message),
            None => Problem::of_file(&plugin.location.file, message),
        }
    }
}
