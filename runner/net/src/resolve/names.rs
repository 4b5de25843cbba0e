//! Derives the names to query from a name as written, in the order of glibc.

use hickory_proto::rr::Name;

use super::ResolverSettings;

/// Maximum number of search domains tried for one name.
const MAX_SEARCH_DOMAINS: usize = 64;

/// A name to query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: Name,
    /// It was derived from the search list.
    pub(super) is_searched: bool,
}

/// The name in wire format, which permits any byte in a label; `None` if it is too long or has an empty label.
pub(super) fn wire_name(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Some(Name::root());
    }
    let mut name = Name::from_labels(text.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The names to try for one name, which need not be valid: as is, and with each domain of the search list appended.
pub(super) fn candidates(name: &str, settings: &ResolverSettings) -> Vec<Candidate> {
    let as_is = wire_name(name).map(|name| Candidate {
        name,
        is_searched: false,
    });
    if name.ends_with('.') {
        return as_is.into_iter().collect();
    }
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let search_candidates = search_candidates(name, &settings.search);
    if dots >= settings.ndots {
        return as_is.into_iter().chain(search_candidates).collect();
    }
    let is_left_out = settings.search.iter().any(|domain| is_root(domain))
        || (settings.no_tld_query && dots == 0 && !settings.search.is_empty());
    search_candidates
        .into_iter()
        .chain(as_is.filter(|_| !is_left_out))
        .collect()
}

/// A domain that does not form a valid name ends the list, as in glibc.
fn search_candidates(name: &str, search: &[String]) -> Vec<Candidate> {
    let below = |domain: &String| {
        if is_root(domain) {
            wire_name(name)
        } else {
            wire_name(&format!("{name}.{}", domain.strip_prefix('.').unwrap_or(domain)))
        }
    };
    search
        .iter()
        .take(MAX_SEARCH_DOMAINS)
        .map_while(below)
        .map(|name| Candidate {
            name,
            is_searched: true,
        })
        .collect()
}

fn is_root(domain: &str) -> bool {
    domain == "."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, search: &[&str], ndots: usize) -> Vec<String> {
        let settings = ResolverSettings {
            search: search.iter().map(ToString::to_string).collect(),
            ndots,
            ..ResolverSettings::servers(Vec::new())
        };
        let names = candidates(name, &settings);
        names.iter().map(|tried| tried.name.to_ascii()).collect()
    }

    #[test]
    fn a_name_with_as_many_dots_as_ndots_is_tried_as_it_is_first() {
        assert_eq!(tried("db", &["corp.test"], 1), ["db.corp.test.", "db."]);
        assert_eq!(tried("db.x", &["corp.test"], 1), ["db.x.", "db.x.corp.test."]);
        assert_eq!(tried("db.x", &["corp.test."], 5), ["db.x.corp.test.", "db.x."]);
        assert_eq!(tried("db", &["corp.test"], 0), ["db.", "db.corp.test."]);
    }

    #[test]
    fn a_name_with_a_dot_at_its_end_is_searched_for_nowhere() {
        assert_eq!(tried("db.", &["corp.test"], 5), ["db."]);
    }

    #[test]
    fn the_root_in_the_search_list_has_a_place_there() {
        assert_eq!(tried("db", &[".", "corp.test"], 1), ["db.", "db.corp.test."]);
    }

    #[test]
    fn a_domain_that_makes_no_name_ends_the_search_list() {
        let long = "a".repeat(64);
        assert_eq!(
            tried("db", &["a.test", "b..test", "c.test"], 1),
            ["db.a.test.", "db."]
        );
        assert_eq!(tried("db", &[&long, "c.test"], 1), ["db."]);
        assert!(tried(&long, &["c.test"], 1).is_empty());
    }

    #[test]
    fn with_no_tld_query_a_name_without_dots_is_only_searched_for() {
        let settings = |search: &[&str]| ResolverSettings {
            search: search.iter().map(ToString::to_string).collect(),
            no_tld_query: true,
            ..ResolverSettings::servers(Vec::new())
        };
        assert_eq!(candidates("db", &settings(&["corp.test"])).len(), 1);
        assert_eq!(candidates("db", &settings(&[])).len(), 1);
        assert_eq!(candidates("db.x", &settings(&["corp.test"])).len(), 2);
    }

    #[test]
    fn a_name_may_have_any_byte() {
        for name in ["web_1.test", "a!b", "-a.x", "xn--.test", "ü.test", "a b", r"a\b"] {
            let labels: Vec<_> = wire_name(name).unwrap().iter().map(<[u8]>::to_vec).collect();
            assert_eq!(labels.join(&b'.'), name.as_bytes(), "{name}");
        }
        assert!(wire_name("a..b").is_none());
    }
}
