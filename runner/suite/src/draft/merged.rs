//! A draft whose configurations are merged: what is left is to validate them.

use std::cell::RefCell;
use std::collections::HashSet;

use super::Draft;
use crate::config_merge;
use crate::declared_secrets::{self, DeclaredSecrets};
use crate::exposure;
use crate::limits::Limits;
use crate::maintenance::syntax::RawWindow;
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::secret_keys::SecretKeys;
use crate::validator::Validator;
use crate::{Catalog, HostLimits, PluginDeclaration, SecretRegistry, Suite};
use canary_record::redact::SuiteSecrets;

/// A parsed suite whose checks have the configurations that they inherit.
#[derive(Debug)]
pub struct MergedDraft(pub(super) Draft);

impl Draft {
    /// The draft with the configurations of its checks merged over what they inherit, which depends on the schemas of
    /// their plugins.
    #[must_use]
    pub fn merge_configs(mut self, catalog: &Catalog) -> MergedDraft {
        let checks = self.files.iter_mut().flat_map(|file| &mut file.checks);
        config_merge::merge_all(checks.chain(&mut self.unused), catalog, &mut self.report);
        MergedDraft(self)
    }

    /// [`MergedDraft::finish`] of [`Draft::merge_configs`], if nothing else is to be validated before.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn finish(self, catalog: &Catalog, host_limits: &HostLimits) -> Result<Suite, Problems> {
        self.merge_configs(catalog).finish(catalog, host_limits)
    }
}

impl MergedDraft {
    /// As [`Draft::plugins`].
    #[must_use]
    pub fn plugins(&self) -> &[PluginDeclaration] {
        self.0.plugins()
    }

    /// The suite, if it has no problem at all.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn finish(mut self, catalog: &Catalog, host_limits: &HostLimits) -> Result<Suite, Problems> {
        let mut report = std::mem::take(&mut self.0.report);
        let mut declared = declared_secrets::find(&self.0.files, &self.0.unused, catalog);
        declared.add_variables(&self.0.variables);
        let validator = Validator {
            plugins: self.usable_plugins(catalog, &mut report),
            limits: Limits {
                host_limits,
                groups: &self.0.groups,
                possible: &self.0.possible.groups,
            },
            shared: &self.0.shared,
            declared: &declared,
            secrets: RefCell::new(SuiteSecrets::new(&host_limits.secrets)),
            config_secrets: RefCell::default(),
            disabled: RefCell::default(),
        };
        let checks = validator.checks(&self.0.files, &mut report);
        validator.unused(&self.0.unused, &mut report);
        match report.count() {
            0 => self.register_secrets(&validator.secrets.borrow(), &mut report),
            _ => self.report_exposed_of_invalid(&declared, &mut report),
        }
        if report.count() > 0 {
            let mut problems = report.into_problems(&SecretKeys::of(catalog));
            declared.mask_problems(problems.iter_mut());
            return Err(problems);
        }
        let written = self.0.files.iter().flat_map(|file| &file.maintenance);
        let maintenance = written.filter_map(RawWindow::window).collect();
        Ok(Suite {
            checks,
            disabled: validator.disabled.into_inner(),
            groups: self.0.groups,
            maintenance,
            variables: self.0.variables,
        })
    }

    /// Searches the visible texts of an invalid suite for its secrets, without registering these.
    fn report_exposed_of_invalid(&self, declared: &DeclaredSecrets, report: &mut Report) {
        let secrets = SuiteSecrets::new(&SecretRegistry::default());
        let mut known = HashSet::new();
        for check in self.0.files.iter().flat_map(|file| &file.checks) {
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
            self.report_exposed(&secrets, report);
        }
    }

    /// Registers the secrets, and searches the suite's visible texts for them.
    fn register_secrets(&self, secrets: &SuiteSecrets, report: &mut Report) {
        if let Err(error) = secrets.publish() {
            let problem = Problem::of_file(&self.0.origin, error.to_string());
            let problem = problem.transient(error.is_transient());
            return report.add(problem.hint("refer to fewer secrets, or to shorter ones"));
        }
        self.report_exposed(secrets, report);
    }

    fn report_exposed(&self, secrets: &SuiteSecrets, report: &mut Report) {
        let Draft {
            files,
            variables,
            origin,
            ..
        } = &self.0;
        exposure::report_exposed(files, variables, &secrets.exposed(), (origin, report));
    }
}
