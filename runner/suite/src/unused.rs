//! Profiles and `defaults` that no check uses. They are validated as well, except for what a check could still add.

use std::collections::HashSet;
use std::sync::Arc;

use super::check::RawCheck;
use super::inheritance::Inheritance;
use super::layer::Layer;
use super::profile::Profile;
use super::syntax::RawFile;

/// The unused layers, each in the form of a check without a target. `shared` are the defaults of the whole suite.
pub(super) fn find(files: &[RawFile], shared: &Layer) -> Vec<RawCheck> {
    let used = used_profiles(files);
    let mut unused = Vec::new();
    for file in files {
        if let Some(at) = file.defaults_at.filter(|_| !are_used(file, files)) {
            let layer = ("`defaults`: ".to_owned(), file.defaults.clone());
            let part = RawCheck::from_layer(&file.source, at, layer);
            unused.extend(over(part, [shared]));
        }
        let is_used = |profile: &Arc<Profile>| used.contains(&Arc::as_ptr(profile));
        for profile in file.profiles.iter().filter(|profile| !is_used(profile)) {
            let part = RawCheck::from_layer(
                &profile.source,
                profile.at,
                (profile.subject(), profile.layer.clone()),
            );
            unused.extend(over(part, [&file.defaults, shared]));
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

/// A layer with what it inherits; nothing if that takes too much memory.
fn over<const N: usize>(mut part: RawCheck, below: [&Layer; N]) -> Option<RawCheck> {
    let mut inheritance = Inheritance::default();
    let mut below = below.into_iter();
    let inherited = below.try_for_each(|layer| part.layer.inherit(layer, &mut inheritance));
    inherited.ok().map(|()| part)
}
