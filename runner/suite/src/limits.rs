//! Checks settings against what the suite declares, and what the operator of the runner allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::HostLimits;
use super::fields::{Located, Reader};
use super::possible_names::PossibleNames;
use super::settings::Settings;
use super::suggest;
use super::tree::quoted;
use canary_record::quota::{Quota, QuotaKind};

/// The limits that settings are checked against.
pub(super) struct Limits<'a> {
    pub(super) host_limits: &'a HostLimits,
    /// Concurrency limits by group.
    pub(super) groups: &'a BTreeMap<Arc<str>, u32>,
    /// Groups that may be declared where they could not be read.
    pub(super) possible: &'a PossibleNames,
}

impl Limits<'_> {
    /// Reports each setting of a layer that exceeds a limit.
    pub(super) fn validate(&self, reader: &mut Reader<'_>, own: &Settings) {
        for (kind, limit) in own.quota.iter() {
            let ceiling = self.host_limits.ceiling.limit(kind);
            if limit.value > ceiling {
                self.above_ceiling(reader, kind, limit, ceiling);
            }
        }
        self.group(reader, own);
        self.notifiers(reader, own);
    }

    fn group(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some(group) = own.group.get() else { return };
        if self.groups.contains_key(&*group.value) || self.possible.may_contain(&group.value) {
            return;
        }
        if reader.report.is_full() {
            return reader.report.omit();
        }
        let meant = suggest::closest(&group.value, self.groups.keys().map(|name| &**name));
        let hint = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "declare it: `groups: {{ {}: {{ concurrency: 10 }} }}`",
                group.value
            ),
        };
        let message = format!("`group`: unknown group {}", quoted(&group.value));
        reader.problem_with(group.at, message, Some(hint));
    }

    /// Reports unknown notifiers, if those of the runner are known.
    fn notifiers(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some((alert, known)) = own.alert.get().zip(self.host_limits.notifiers.as_ref()) else {
            return;
        };
        for name in alert.notifiers() {
            if known.iter().any(|known| **known == *name.value) {
                continue;
            }
            if reader.report.is_full() {
                reader.report.omit();
                continue;
            }
            let hint = match known.as_slice() {
                [] => Some("the runner has no notifiers; declare them in its own settings".to_owned()),
                known => suggest::hint(&name.value, known.iter().map(String::as_str)),
            };
            let message = format!("`notify`: unknown notifier {}", quoted(&name.value));
            reader.problem_with(name.at, message, hint);
        }
    }

    fn above_ceiling(&self, reader: &mut Reader<'_>, kind: QuotaKind, limit: Located<u64>, ceiling: u64) {
        let (asked, ceiling) = (kind.format_value(limit.value), kind.format_value(ceiling));
        let message = format!("`quota`: `{kind}` is {asked}; this runner allows at most {ceiling}");
        let hint = "quota ceilings are set in the runner's own settings".to_owned();
        reader.problem_with(limit.at, message, Some(hint));
    }
}

/// Reports a quota `memory` that is less than the plugin starts with: no run of the check could begin. `all` are the
/// merged settings of the check.
pub(super) fn validate_initial_memory(
    reader: &mut Reader<'_>,
    all: &Settings,
    (plugin, initial): (&str, u64),
) {
    const KIND: QuotaKind = QuotaKind::Memory;
    let Some(limit) = all.quota.get(KIND).filter(|limit| limit.value < initial) else {
        return;
    };
    let (asked, needed) = (KIND.format_value(limit.value), KIND.format_value(initial));
    let message = format!(
        "`quota`: `{KIND}` is {asked}; the plugin {} starts with {needed}",
        quoted(plugin)
    );
    // A limit that many checks inherit is reported once.
    if reader.report.is_first(limit.at, &message) {
        let default = KIND.format_value(Quota::default().memory);
        let hint = format!("a run needs more than it starts with: raise it, or leave it out for {default}");
        reader.problem_with(limit.at, message, Some(hint));
    }
}
