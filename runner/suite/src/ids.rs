//! The ids of the checks of an entry: they depend on name and target only, not on what surrounds them.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::check::RawCheck;
use super::{CheckId, Target};

/// Bytes of the digest that distinguishes targets with the same public form. Too few to help in guessing a query that
/// is hard to guess; a secret that is easy to guess belongs into a reference.
const DIGEST: usize = 4;
/// The same if targets of one check have equal short digests: then none have equal long ones.
const LONG_DIGEST: usize = 16;

/// The id of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) id: CheckId,
    /// The id in an older version that included everything but references; absent if it is the same.
    pub(super) former: Option<CheckId>,
}

/// `name`, or `name@target` if there are several; none for a check without a name, or with that of another check.
pub(super) fn check_ids(raw: &RawCheck) -> Vec<Id> {
    let Some(name) = raw.name.as_ref().filter(|_| !raw.is_namesake) else {
        return Vec::new();
    };
    let name = &*name.value;
    let whole = || Id {
        id: CheckId::new(name),
        former: None,
    };
    if !raw.has_target_list {
        return raw.targets.iter().map(|_| whole()).collect();
    }
    target_ids(name, raw.targets.iter().map(|target| &target.target))
}

/// The ids of all targets of one entry. Targets that differ only in their references are numbered; the order of the
/// others makes no difference.
fn target_ids<'t>(name: &str, targets: impl Iterator<Item = &'t Target> + Clone) -> Vec<Id> {
    let ambiguous = ambiguous(targets.clone());
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let ids = targets.map(|target| {
        let short = public_form(target, DIGEST);
        let public_form = if ambiguous.contains(&short) {
            public_form(target, LONG_DIGEST)
        } else {
            short
        };
        let count = seen.entry(target.written()).or_default();
        *count += 1;
        let number = match *count {
            1 => String::new(),
            count => format!("#{count}"),
        };
        let id = format!("{name}@{public_form}{number}");
        let former = format!("{name}@{}{number}", target.written());
        Id {
            former: (former != id).then(|| CheckId::new(&former)),
            id: CheckId::new(&id),
        }
    });
    ids.collect()
}

/// The short forms that several different targets have in common.
fn ambiguous<'t>(targets: impl Iterator<Item = &'t Target>) -> HashSet<String> {
    let mut first: HashMap<String, &str> = HashMap::new();
    let mut ambiguous = HashSet::new();
    for target in targets {
        let public_form = public_form(target, DIGEST);
        match first.get(&public_form) {
            Some(known) if *known != target.written() => drop(ambiguous.insert(public_form)),
            Some(_) => {}
            None => drop(first.insert(public_form, target.written())),
        }
    }
    ambiguous
}

/// The public form of a target, followed by `bytes` bytes of a digest if that is not all of it.
fn public_form(target: &Target, bytes: usize) -> String {
    let public = target.public();
    if public == target.written() {
        return public;
    }
    let digest = Sha256::digest(target.written());
    let digest = digest.get(..bytes).unwrap_or_default();
    format!("{public}~{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(targets: &[&str]) -> Vec<String> {
        let targets: Vec<Target> = targets.iter().map(|target| Target::new(target)).collect();
        let ids = target_ids("web", targets.iter()).into_iter();
        ids.map(|id| id.id.as_str().to_owned()).collect()
    }

    #[test]
    fn a_query_a_fragment_and_credentials_stay_out_of_an_id() {
        for target in [
            "https://h.test/?token=hunter2",
            "https://h.test/#hunter2",
            "https://user:hunter2@h.test/",
            "h.test:80?hunter2",
        ] {
            let id = ids(&[target]).remove(0);
            assert!(!id.contains("hunter2") && id.starts_with("web@"), "{id}");
        }
        assert_eq!(
            ids(&["https://h.test/a", "h:1"]),
            ["web@https://h.test/a", "web@h:1"]
        );
    }

    #[test]
    fn targets_that_differ_in_their_query_keep_their_ids_whatever_their_order() {
        let (one, two) = ("https://h.test/?a=1", "https://h.test/?a=2");
        let forth = ids(&[one, two, "https://h.test/"]);
        let back = ids(&["https://h.test/", two, one]);
        assert_eq!(
            forth.iter().rev().collect::<Vec<_>>(),
            back.iter().collect::<Vec<_>>()
        );
        assert_eq!(ids(&[one]), forth.get(..1).unwrap());
        assert_ne!(forth.first(), forth.get(1));
    }

    #[test]
    fn targets_with_the_same_start_of_a_digest_have_more_of_it_and_all_others_the_same_as_ever() {
        let [one, two] = ["http://127.0.0.1:9/?q=13176", "http://127.0.0.1:9/?q=35431"];
        let other = "http://127.0.0.1:9/?q=1";
        assert_eq!(ids(&[one]), ["web@http://127.0.0.1:9/~a171bdb8"]);
        assert_eq!(ids(&[two]), ids(&[one]), "the pair that this is about");
        let forth = ids(&[one, other, two]);
        let back = ids(&[two, one, other]);
        assert_eq!(forth.get(1), ids(&[other]).first());
        assert_eq!((forth.first(), forth.get(2)), (back.get(1), back.first()));
        assert_ne!(forth.first(), forth.get(2));
        assert!(
            forth
                .first()
                .unwrap()
                .starts_with("web@http://127.0.0.1:9/~a171bdb8"),
            "{forth:?}"
        );
    }

    #[test]
    fn no_target_passes_for_another_that_looks_like_its_id() {
        let ids = ids(&["http://127.0.0.1:9/~a171bdb8", "http://127.0.0.1:9/?q=13176"]);
        assert_ne!(ids.first(), ids.get(1));
    }

    #[test]
    fn an_id_that_changed_records_what_it_was() {
        let targets = ["https://h.test/?a=1", "h:1"].map(Target::new);
        let ids = target_ids("web", targets.iter());
        let former: Vec<_> = ids
            .iter()
            .map(|id| id.former.as_ref().map(CheckId::as_str))
            .collect();
        assert_eq!(former, [Some("web@https://h.test/?a=1"), None]);
    }

    #[test]
    fn targets_that_look_the_same_are_numbered() {
        let targets = ["one", "two"].map(|secret| Target::redacted(secret, "https://***/?q"));
        let ids = target_ids("web", targets.iter());
        let (first, second) = (ids.first().unwrap(), ids.get(1).unwrap());
        assert_eq!(format!("{}#2", first.id), second.id.as_str());
        assert_eq!(second.former.as_ref().unwrap().as_str(), "web@https://***/?q#2");
    }
}
