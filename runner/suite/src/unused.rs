//! Profiles and `defaults` that no check uses. They are validated as well, except for what a check could still add.

use std::collections::HashSet;
use std::sync::Arc;

use super::check::RawCheck;
use super::inheritance::{Inheritance, MergeLimitExceeded};
use super::layer::Layer;
use super::layering::merge_limit_problem;
use super::profile::Profile;
use super::report::Report;
use super::syntax::RawFile;

/// The unused layers with what they inherit, each in the form of a check without a target. `shared` are the defaults of
/// the whole suite.
pub(super) fn find(
    files: &[RawFile],
    shared: &Layer,
    inheritance: &mut Inheritance,
    report: &mut Report,
) -> Vec<RawCheck> {
    let mut unused = Vec::new();
    for (mut part, below) in layers(files, shared) {
        // One problem is enough.
        if inheritance.is_limit_exceeded() {
            break;
        }
        let mut below = below.into_iter();
        match below.try_for_each(|layer| part.layer.inherit(layer, inheritance)) {
            Ok(()) => unused.push(part),
            Err(MergeLimitExceeded) => report.add(merge_limit_problem(&part)),
        }
    }
    unused
}

/// The unused layers, each with those that it inherits from.
fn layers<'a>(files: &'a [RawFile], shared: &'a Layer) -> Vec<(RawCheck, Vec<&'a Layer>)> {
    let used = used_profiles(files);
    let mut unused = Vec::new();
    for file in files {
        if let Some(at) = file.defaults_at.filter(|_| !are_used(file, files)) {
            let layer = ("`defaults`: ".to_owned(), file.defaults.clone());
            let part = RawCheck::from_layer(&file.source, at, layer);
            unused.push((part, vec![shared]));
        }
        let is_used = |profile: &Arc<Profile>| used.contains(&Arc::as_ptr(profile));
        for profile in file.profiles.iter().filter(|profile| !is_used(profile)) {
            let part = RawCheck::from_layer(
                &profile.source,
                profile.at,
                (profile.subject(), profile.layer.clone()),
            );
            unused.push((part, vec![&file.defaults, shared]));
        }
    }
    unused
}

/// The profiles whose configuration a check uses.
fn used_profiles(files: &[RawFile]) -> HashSet<*const Profile> {
    let checks = files.iter().flat_map(|file| &file.checks);
    let used = checks.filter_map(|check| {
        let profile = check.profile.as_ref();
        profile.filter(|profile| check.layer.agrees_with(&profile.layer))
    });
    used.map(Arc::as_ptr).collect()
}

/// Whether a check uses the configuration of the `defaults` of a file.
fn are_used(file: &RawFile, files: &[RawFile]) -> bool {
    let agrees = |check: &RawCheck| check.layer.agrees_with(&file.defaults);
    if file.has_checks {
        file.checks.iter().any(agrees)
    } else {
        files.iter().flat_map(|file| &file.checks).any(agrees)
    }
}
