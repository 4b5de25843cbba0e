//! Settings that go beyond what the suite declares, or the operator of the runner allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Operator;
use super::fields::{Located, Reader};
use super::open_names::OpenNames;
use super::settings::Settings;
use super::suggest;
use super::tree::quoted;
use crate::quota::QuotaKind;

/// What settings are held against.
pub(super) struct Limits<'a> {
    pub(super) operator: &'a Operator,
    /// Runs at once by group.
    pub(super) groups: &'a BTreeMap<Arc<str>, u32>,
    /// Groups that may be declared where that cannot be read.
    pub(super) open: &'a OpenNames,
}

impl Limits<'_> {
    /// Reports each setting of a layer that does.
    pub(super) fn judge(&self, reader: &mut Reader<'_>, own: &Settings) {
        for (kind, limit) in &own.quota {
            let ceiling = self.operator.ceiling.limit(*kind);
            if let Some(limit) = limit.get().filter(|limit| limit.value > ceiling) {
                self.beyond(reader, *kind, *limit, ceiling);
            }
        }
        self.group(reader, own);
        self.notifiers(reader, own);
    }

    fn group(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some(group) = own.group.get() else { return };
        if self.groups.contains_key(&*group.value) || self.open.may_hold(&group.value) {
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
        let message = format!("`group`: there is no group {}", quoted(&group.value));
        reader.problem_with(group.at, message, Some(hint));
    }

    /// Notifiers that the runner does not have; whether it has them is not always known.
    fn notifiers(&self, reader: &mut Reader<'_>, own: &Settings) {
        let Some((alert, known)) = own.alert.get().zip(self.operator.notifiers.as_ref()) else {
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
                [] => Some("the runner has no notifiers; its own settings declare them".to_owned()),
                known => suggest::hint(&name.value, known.iter().map(String::as_str)),
            };
            let message = format!("`notify`: there is no notifier {}", quoted(&name.value));
            reader.problem_with(name.at, message, hint);
        }
    }

    fn beyond(&self, reader: &mut Reader<'_>, kind: QuotaKind, limit: Located<u64>, ceiling: u64) {
        let (asked, ceiling) = (kind.show(limit.value), kind.show(ceiling));
        let message = format!("`quota`: `{kind}` is {asked}; this runner allows at most {ceiling}");
        let hint = "the operator sets the ceilings of a runner".to_owned();
        reader.problem_with(limit.at, message, Some(hint));
    }
}
