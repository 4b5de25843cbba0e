//! Merges every check over its profile and the defaults.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::RawCheck;
use super::fields::Located;
use super::inheritance::{Inheritance, MAX_MERGED_BYTES, MergeLimitExceeded};
use super::labels::MAX_LABELS;
use super::layer::Layer;
use super::possible_names::PossibleNames;
use super::profile::Profile;
use super::report::Report;
use super::suggest;
use super::syntax::RawFile;
use super::tree::quoted;
use crate::problem::Problem;

/// Merges every check over its profile, the defaults of its file and those of the suite, except for the settings.
/// `possible` are profiles that may be declared where they could not be read.
pub(super) fn apply(
    files: &mut [RawFile],
    shared: &Layer,
    inheritance: &mut Inheritance,
    possible: &PossibleNames,
    report: &mut Report,
) {
    let profiles = declared(files, report);
    for file in files {
        for check in &mut file.checks {
            let before = report.count();
            if let Some(named) = check.profile_name.clone() {
                check.profile = find(check, &named, &profiles, possible, report);
            }
            let inherited = if inheritance.is_limit_exceeded() {
                Ok(())
            } else {
                inherit(check, [&file.defaults, shared], inheritance)
            };
            if let Err(MergeLimitExceeded) = inherited {
                report.add(merge_limit_problem(check));
            }
            let is_limit_exceeded = inheritance.is_limit_exceeded();
            let has_profile = check.profile.is_some() || !check.has_profile_key;
            if has_profile && !is_limit_exceeded {
                require(check, report);
            }
            check.is_invalid |= !has_profile || is_limit_exceeded || report.count() > before;
        }
    }
}

fn inherit(
    check: &mut RawCheck,
    defaults: [&Layer; 2],
    inheritance: &mut Inheritance,
) -> Result<(), MergeLimitExceeded> {
    let profile = check.profile.clone();
    let profile = profile.as_ref().map(|profile| &profile.layer);
    let mut layers = profile.into_iter().chain(defaults);
    layers.try_for_each(|layer| check.layer.inherit(layer, inheritance))
}

/// That a check, or a layer that no check uses, inherits too much.
pub(super) fn merge_limit_problem(check: &RawCheck) -> Problem {
    let limit = MAX_MERGED_BYTES >> 20;
    let message = format!(
        "{}`profiles` and `defaults` add more than {limit} MiB to checks with a `config` or `labels` of their own",
        check.subject()
    );
    let hint = "move what these checks have in common to one profile, which they share";
    check.source.problem(check.at, message).hint(hint)
}

/// All profiles by name; duplicates are reported.
fn declared(files: &[RawFile], report: &mut Report) -> BTreeMap<Arc<str>, Arc<Profile>> {
    let mut profiles: BTreeMap<Arc<str>, Arc<Profile>> = BTreeMap::new();
    for profile in files.iter().flat_map(|file| &file.profiles) {
        if let Some(first) = profiles.get(&profile.name) {
            let first = first.source.location(first.at);
            let message = format!(
                "{}the name is already used by the profile at {first}",
                profile.subject()
            );
            report.add(profile.source.problem(profile.at, message));
        } else {
            profiles.insert(Arc::clone(&profile.name), Arc::clone(profile));
        }
    }
    profiles
}

fn find(
    check: &RawCheck,
    named: &Located<Arc<str>>,
    profiles: &BTreeMap<Arc<str>, Arc<Profile>>,
    possible: &PossibleNames,
    report: &mut Report,
) -> Option<Arc<Profile>> {
    let profile = profiles.get(&named.value);
    if profile.is_none() && !possible.may_contain(&named.value) {
        if report.is_full() {
            report.omit();
        } else {
            report.add(unknown(check, named, profiles));
        }
    }
    profile.cloned()
}

fn unknown(
    check: &RawCheck,
    named: &Located<Arc<str>>,
    profiles: &BTreeMap<Arc<str>, Arc<Profile>>,
) -> Problem {
    let hint = match suggest::closest(&named.value, profiles.keys().map(|name| &**name)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "declare it under `profiles`".to_owned(),
    };
    let message = format!("{}unknown profile {}", check.subject(), quoted(&named.value));
    check.source.problem(named.at, message).hint(hint)
}

/// Reports missing keys, and too many labels in total.
fn require(check: &RawCheck, report: &mut Report) {
    if check.layer.plugin.get().is_none() && !check.layer.plugin.is_invalid() {
        let message = format!("{}`plugin` is missing", check.subject());
        let hint = "write `plugin: http`, or another name of `canary plugin list`";
        report.add(check.source.problem(check.at, message).hint(hint));
    }
    let labels = check.layer.labels.effective().len();
    if labels > MAX_LABELS {
        let message = format!(
            "{}`labels`: {labels} labels with those of `profile` and `defaults`; allowed: up to {MAX_LABELS}",
            check.subject(),
        );
        report.add(check.source.problem(check.at, message));
    }
}
