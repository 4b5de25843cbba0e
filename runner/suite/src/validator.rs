//! Validates parsed checks: relations between fields, the requirements of plugins, and the operator's limits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

use super::check::{MAX_CHECKS, RawCheck, RawTarget};
use super::config::ConfigKey;
use super::config_validation::{self, UsablePlugin};
use super::declared_secrets::DeclaredSecrets;
use super::fields::Reader;
use super::ids::{self, Id};
use super::limits::{self, Limits};
use super::report::Report;
use super::settings::Settings;
use super::syntax::RawFile;
use super::timing::{self, Layers};
use super::tree::quoted;
use super::{Check, CheckId, Config, DisabledCheck, chain};
use crate::grant::Grants;
use crate::problem::Problem;
use canary_record::redact::{SecretGroup, Secrets, SuiteSecrets};

/// Turns parsed checks into [`Check`]s.
pub(super) struct Validator<'a> {
    pub(super) plugins: HashMap<&'a str, UsablePlugin<'a>>,
    pub(super) limits: Limits<'a>,
    /// Defaults of the whole suite.
    pub(super) shared: &'a Settings,
    /// Values that are secret because plugins declare so.
    pub(super) declared: &'a DeclaredSecrets,
    pub(super) secrets: RefCell<SuiteSecrets>,
    /// Secrets of configurations, by plugin.
    pub(super) config_secrets: RefCell<ConfigSecrets>,
    /// The valid checks that are not enabled.
    pub(super) disabled: RefCell<Vec<DisabledCheck>>,
}

/// Secrets of configurations, by plugin.
type ConfigSecrets = HashMap<(ConfigKey, Option<Arc<str>>), Arc<SecretGroup>>;

impl Validator<'_> {
    /// The valid checks of all files that are enabled, in order.
    pub(super) fn checks(&self, files: &[RawFile], report: &mut Report) -> Vec<Arc<Check>> {
        let count = files.iter().flat_map(|file| &file.checks);
        let count: usize = count.map(|raw| raw.targets.len()).sum();
        let mut checks = Vec::with_capacity(count.min(MAX_CHECKS));
        let mut ids = HashMap::new();
        let mut left = MAX_CHECKS;
        for file in files {
            self.layers(file, report);
            let defaults = file.defaults.settings.over(self.shared);
            for raw in &file.checks {
                let own_ids = ids::check_ids(raw);
                for (id, target) in own_ids.iter().zip(&raw.targets) {
                    match ids.entry(id.id.clone()) {
                        Slot::Occupied(first) => {
                            report.add(duplicate_id(&id.id, (raw, target), *first.get()))
                        }
                        Slot::Vacant(free) => drop(free.insert((raw, target))),
                    }
                }
                let made = self.checks_of_entry(raw, own_ids, &defaults, report);
                checks.extend(made.into_iter().map(Arc::new));
                let Some(rest) = left.checked_sub(raw.targets.len()) else {
                    let message = format!("a suite holds at most {MAX_CHECKS} checks, each target counted");
                    report.add(raw.source.problem(raw.at, message));
                    return checks;
                };
                left = rest;
            }
        }
        if checks.is_empty() && report.count() == 0 {
            report_none_enabled(files, report);
        }
        checks
    }

    /// Validates each layer of a file by itself.
    fn layers(&self, file: &RawFile, report: &mut Report) {
        let profiles = file.profiles.iter();
        let profiles = profiles.map(|profile| (profile.subject(), &profile.layer.settings));
        let defaults = ("`defaults`: ".to_owned(), &file.defaults.settings);
        let checks = file.checks.iter();
        let checks = checks.map(|check| (check.subject(), &check.layer.settings));
        for (subject, settings) in std::iter::once(defaults).chain(profiles).chain(checks) {
            let mut reader = Reader {
                source: &file.source,
                report,
                subject,
            };
            timing::validate_layer(&mut reader, settings);
            self.limits.validate(&mut reader, settings);
        }
    }

    /// Validates unused layers against the schema only: the plugin might require what a check has yet to add.
    pub(super) fn unused(&self, layers: &[RawCheck], report: &mut Report) {
        for raw in layers.iter().filter(|raw| raw.layer.config.is_some()) {
            let plugin = raw.layer.plugin.get();
            let Some(usable) = plugin.and_then(|plugin| self.plugins.get(&*plugin.value)) else {
                continue;
            };
            let mut reader = Reader {
                source: &raw.source,
                report,
                subject: raw.subject(),
            };
            let _validated = config_validation::validate_config(&mut reader, raw, usable);
        }
    }

    /// One check for each target; none if there is a problem, or if the check is not enabled.
    fn checks_of_entry(
        &self,
        raw: &RawCheck,
        ids: Vec<Id>,
        defaults: &Settings,
        report: &mut Report,
    ) -> Vec<Check> {
        let before = report.count();
        let mut reader = Reader {
            source: &raw.source,
            report,
            subject: raw.subject(),
        };
        let settings = self.settings(&mut reader, raw, defaults);
        let plugin = raw.layer.plugin.get();
        let Some((plugin, usable)) =
            plugin.and_then(|plugin| Some((plugin, self.plugins.get(&*plugin.value)?)))
        else {
            return Vec::new();
        };
        let starts_with = (&*plugin.value, usable.facts.initial_memory);
        limits::validate_initial_memory(&mut reader, &settings, starts_with);
        let validated = config_validation::validate_config(&mut reader, raw, usable);
        let grants: Vec<_> = raw
            .targets
            .iter()
            .map(|target| grants(&mut reader, raw, target, usable))
            .collect();
        let fits = |target: usize| grants.get(target).is_some_and(Option::is_some);
        config_validation::report_plugin_problems(&mut reader, raw, (usable, &validated), fits);
        let is_valid = reader.report.count() == before && !raw.is_invalid;
        let Some((config, name)) = validated
            .into_config()
            .zip(raw.name.as_ref())
            .filter(|_| is_valid)
        else {
            return Vec::new();
        };
        let mut common = common(raw, (&name.value, &plugin.value), config);
        settings.apply(&mut common, &self.limits.host_limits.ceiling);
        let checks = raw.targets.iter().zip(grants.into_iter().flatten()).zip(ids).map(
            |((target, grants), Id { id, former })| Check {
                id,
                former_id: former,
                target: target.target.clone(),
                grants,
                secrets: self.secrets(raw, target),
                ..common.clone()
            },
        );
        if settings.is_enabled() {
            return checks.collect();
        }
        // The secrets of one that is not enabled are masked all the same, so each is made as if it were.
        let disabled = checks.map(|Check { id, name, .. }| DisabledCheck { id, name });
        self.disabled.borrow_mut().extend(disabled);
        Vec::new()
    }

    /// The settings of a check, with all layers merged.
    fn settings(&self, reader: &mut Reader<'_>, raw: &RawCheck, defaults: &Settings) -> Settings {
        let own = &raw.layer.settings;
        let profile = raw.profile.as_ref();
        let profile = profile.map(|profile| (&*profile.name, &profile.layer.settings));
        let all = match profile {
            Some((_, profile)) => own.over(profile).over(defaults),
            None => own.over(defaults),
        };
        let layers = Layers { check: own, profile };
        timing::validate(reader, &layers, &all);
        all
    }

    fn secrets(&self, raw: &RawCheck, target: &RawTarget) -> Secrets {
        let mut secrets = self.secrets.borrow_mut();
        let plugin = raw.layer.plugin.get().map(|plugin| Arc::clone(&plugin.value));
        let mut parts = self.config_secrets.borrow_mut();
        let of_config = parts.entry((raw.config_key(), plugin)).or_insert_with(|| {
            let of_config = raw
                .layer
                .config
                .iter()
                .flat_map(|config| &config.interpolated.secrets);
            let of_config = of_config.chain(self.declared.of_check(raw));
            secrets.group(&of_config.cloned().collect::<Vec<_>>())
        });
        let of_target = secrets.group(&target.secrets);
        secrets.for_check(&[Arc::clone(of_config), of_target])
    }
}

/// Reports a suite that has checks, none of them enabled: it would look healthy and check nothing.
fn report_none_enabled(files: &[RawFile], report: &mut Report) {
    if let Some(first) = files.iter().flat_map(|file| &file.checks).next() {
        let problem = first.source.problem(first.at, "no check of the suite is enabled");
        report.add(problem.hint("remove `enabled: false`, or write `enabled: true` in one check"));
    }
}

/// The problem that two checks have the same id.
fn duplicate_id(id: &CheckId, own: (&RawCheck, &RawTarget), first: (&RawCheck, &RawTarget)) -> Problem {
    let target = |target: &RawTarget| quoted(target.target.written());
    let message = format!(
        "{}the target {} has the id {}, which is already used by the target {} of {} at {}",
        own.0.subject(),
        target(own.1),
        quoted(id.as_str()),
        target(first.1),
        first.0.subject().trim_end_matches(": "),
        first.0.source.location(first.1.at),
    );
    let hint = "statuses and alerts are stored by id: rename one of the checks";
    own.0.source.problem(own.1.at, message).hint(hint)
}

/// The common part of the checks of an entry, without its settings, and without a target and what depends on it.
fn common(raw: &RawCheck, (name, plugin): (&str, &str), config: Config) -> Check {
    Check {
        plugin: plugin.to_owned(),
        labels: raw.layer.labels.effective(),
        depends_on: raw
            .depends_on
            .iter()
            .map(|name| Arc::clone(&name.value))
            .collect(),
        expect_failure: raw.expect_failure,
        config,
        ..Check::minimal(name, Duration::ZERO)
    }
}

fn grants(
    reader: &mut Reader<'_>,
    raw: &RawCheck,
    target: &RawTarget,
    usable: &UsablePlugin<'_>,
) -> Option<Grants> {
    let syntax = &usable.facts.target_syntax;
    let allow = raw.layer.allow.get().cloned().unwrap_or_default();
    let secrets_to = raw.layer.redirect_secrets_to.get().cloned().unwrap_or_default();
    let name_servers = raw.layer.name_servers.get().cloned().unwrap_or_default();
    Grants::for_check(target.target.expose(), syntax, allow, usable.embedded)
        .map(|grants| grants.with_secrets_to(secrets_to).with_name_servers(name_servers))
        .map_err(|error| {
            // The causes quote parts of the target, which is secret.
            let reason = if target.secrets.is_empty() {
                chain(&error)
            } else {
                error.to_string()
            };
            reader.problem(
                target.at,
                format!("{}: {reason}", quoted(target.target.written())),
            );
        })
        .ok()
}
