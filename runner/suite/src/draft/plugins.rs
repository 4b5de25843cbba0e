//! Validation of a draft's configurations by its plugins.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::merged::MergedDraft;
use crate::check::RawCheck;
use crate::config_validation::{self, ConfigSchema, UsablePlugin};
use crate::json;
use crate::json_schema::SchemaValidator;
use crate::plugin_validation::{self, ConfigProblems, ConfigRequest, ConfigRequestBuilder, ConfigUses};
use crate::portable::PortableNode;
use crate::problem::Problem;
use crate::report::Report;
use crate::schema_validation::{
    PortableConfig, SchemaRequest, SchemaResponse, SchemaVerdict, SchemaVerdicts,
};
use crate::tree::quoted;
use crate::{Catalog, PluginDeclaration, PluginFacts, PluginSource, Unusable};

impl MergedDraft {
    /// The request to [`validate_configs`](crate::validate_configs) for this plugin, so that
    /// [`MergedDraft::finish`] need not do that itself.
    #[must_use]
    pub fn schema_request(&self, plugin: &str, facts: &PluginFacts) -> SchemaRequest {
        let configs = self.checks_by_config(plugin).map(|check| {
            let (value, written) = config_validation::config_nodes(check);
            PortableConfig {
                value: value.map(PortableNode::from_node),
                key: written.key,
                node: written.node.map(PortableNode::from_node),
            }
        });
        SchemaRequest {
            configs: configs.collect(),
            schema: facts.config_schema.as_ref().clone(),
        }
    }

    /// The request to the plugin itself: the configurations that its schema allows, and their targets. Empty if the
    /// schema is invalid, which [`MergedDraft::finish`] reports.
    #[must_use]
    pub fn config_request(&self, plugin: &str, catalog: &Catalog) -> (ConfigRequest, ConfigUses) {
        let facts = catalog.get(plugin).and_then(|facts| facts.as_ref().ok());
        let schema = facts.and_then(|facts| self.schema(plugin, facts, catalog).ok());
        let mut builder = ConfigRequestBuilder::default();
        let mut known = HashMap::new();
        for (check, schema) in schema
            .iter()
            .flat_map(|schema| self.checks_of(plugin).map(move |check| (check, schema)))
        {
            let written = config_validation::config_nodes(check);
            let config = *known.entry(check.config_key()).or_insert_with(|| {
                match schema.verdict(check, written, false) {
                    SchemaVerdict::Allowed(coercions) => {
                        Some(builder.config(json::to_exact_json(written.0, &coercions, &[])))
                    }
                    SchemaVerdict::Refused(refusal) => {
                        refusal.rest.map(|rest| builder.config(rest.to_json(written.0)))
                    }
                }
            });
            if let Some(config) = config {
                builder.add(check, config);
            }
        }
        builder.finish()
    }

    /// The first check of a plugin with each distinct configuration.
    fn checks_by_config(&self, plugin: &str) -> impl Iterator<Item = &RawCheck> {
        let mut known = HashSet::new();
        let checks = self.checks_of(plugin);
        checks.filter(move |check| known.insert(check.config_key()))
    }

    /// The checks of a plugin.
    fn checks_of(&self, plugin: &str) -> impl Iterator<Item = &RawCheck> {
        let checks = self.0.files.iter().flat_map(|file| &file.checks);
        let plugin = plugin.to_owned();
        checks.filter(move |check| {
            let own = check.layer.plugin.get();
            own.is_some_and(|own| *own.value == *plugin)
        })
    }

    /// The plugins that could be loaded and whose schema is valid; the others are reported.
    pub(super) fn usable_plugins<'a>(
        &'a self,
        catalog: &'a Catalog,
        report: &mut Report,
    ) -> HashMap<&'a str, UsablePlugin<'a>> {
        let mut usable = HashMap::with_capacity(self.0.plugins.len());
        for plugin in &self.0.plugins {
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
                    let problems = self.config_problems(plugin, catalog, report);
                    usable.insert(
                        &*plugin.name,
                        UsablePlugin {
                            facts,
                            schema,
                            problems,
                            embedded,
                            configs: RefCell::default(),
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

    fn schema(&self, plugin: &str, facts: &PluginFacts, catalog: &Catalog) -> Result<ConfigSchema, Unusable> {
        let wrong = |reason: &str| Unusable::from(format!("invalid configuration schema: {reason}"));
        match catalog.schema_responses.get(plugin) {
            None => match SchemaValidator::new(&facts.config_schema) {
                Ok(validator) => Ok(ConfigSchema::InProcess(Box::new(validator))),
                Err(reason) => Err(wrong(&reason)),
            },
            Some(Ok(SchemaResponse::Verdicts(verdicts))) => {
                let keys = self.checks_by_config(plugin).map(RawCheck::config_key);
                Ok(ConfigSchema::Isolated(SchemaVerdicts::new(keys, verdicts)))
            }
            Some(Ok(SchemaResponse::BadSchema(reason))) => Err(wrong(reason)),
            Some(Err(unusable)) => Err(Unusable {
                reason: format!("its schema cannot be used: {}", unusable.reason),
                is_transient: unusable.is_transient,
            }),
        }
    }

    /// The plugin's own problems with configurations; a failure of the plugin is reported.
    fn config_problems<'a>(
        &'a self,
        plugin: &PluginDeclaration,
        catalog: &'a Catalog,
        report: &mut Report,
    ) -> Option<ConfigProblems<'a>> {
        let (uses, response) = catalog.config_responses.get(&plugin.name)?;
        let response = match response {
            Ok(response) => response,
            Err(unusable) => {
                let reason = format!("cannot validate configurations: {}", unusable.reason);
                let problem = self.plugin_problem(plugin, &reason);
                report.add(problem.transient(unusable.is_transient));
                return None;
            }
        };
        let checks = || self.checks_of(&plugin.name);
        let secrets = plugin_validation::secrets_of(checks());
        let problems = ConfigProblems::new(uses, response, &secrets);
        if let Some(aborted) = &response.aborted {
            let check = problems.check_with(aborted.config, checks());
            let name = check.and_then(|check| Some(quoted(&check.name.as_ref()?.value)));
            let reason = format!(
                "failed while validating the configuration of check {}: {}",
                name.unwrap_or_default(),
                plugin_validation::sanitize(&aborted.reason, &secrets)
            );
            let problem = self.plugin_problem(plugin, &reason);
            report.add(problem.transient(aborted.is_transient));
        }
        Some(problems)
    }

    fn plugin_problem(&self, plugin: &PluginDeclaration, reason: &str) -> Problem {
        let message = format!("plugin {}: {reason}", quoted(&plugin.name));
        let file = self
            .0
            .files
            .iter()
            .find(|file| file.source.path == plugin.location.file);
        match file.zip(plugin.location.at) {
            Some((file, at)) => file.source.problem(at, message),
            None => Problem::of_file(&plugin.location.file, message),
        }
    }
}
