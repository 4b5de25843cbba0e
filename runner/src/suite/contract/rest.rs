//! What of a configuration its plugin can judge though its schema refuses other parts.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reading::Read;
use super::{Contract, best_branch, wording};
use crate::suite::json::{self, Readings};
use crate::suite::tree::Node;

/// Times that parts are taken out: what is left may be refused for the want of them.
const MAX_ROUNDS: usize = 4;
/// Parts that are taken out.
const MAX_REMOVED: usize = 100;

/// A configuration without what its schema refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::suite) struct Rest {
    readings: Readings,
    /// Members of objects that are left out: JSON pointers.
    removed: Vec<String>,
}

impl Rest {
    /// The configuration without what is left out, as JSON.
    pub(in crate::suite) fn of(&self, config: Option<&Node>) -> String {
        json::exact(config, &self.readings, &self.removed)
    }

    /// Whether what is said of a place says something of the whole configuration as well: nothing is left out there, and
    /// nothing beside it, which may be missed.
    pub(in crate::suite) fn is_whole_at(&self, keys: &[String]) -> bool {
        let place: String = keys.iter().map(|key| format!("/{}", escaped(key))).collect();
        let beside = parent(&place);
        let touches = |removed: &String| {
            is_below(&place, removed) || is_below(removed, &place) || parent(removed) == beside
        };
        !self.removed.iter().any(touches)
    }
}

impl Contract {
    /// What is left of a configuration that the schema refuses; nothing where that is refused as well.
    pub(in crate::suite) fn rest(&self, read: Read) -> Option<Rest> {
        let Read {
            mut value, readings, ..
        } = read;
        let mut removed: Vec<String> = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let mut refused = Vec::new();
            for error in self.validator.iter_errors(&value).take(MAX_REMOVED) {
                refuse(&error, &mut refused);
            }
            let members: Option<Vec<String>> = refused.iter().map(|place| member(&value, place)).collect();
            for member in members? {
                remove(&mut value, &member);
                removed.push(member);
            }
            if removed.len() > MAX_REMOVED {
                return None;
            }
            if self.allows(&value) {
                return Some(Rest { readings, removed });
            }
        }
        None
    }
}

/// The places that an error is about, in the alternative that was most likely meant.
fn refuse(error: &ValidationError<'_>, refused: &mut Vec<String>) {
    let place = error.instance_path().as_str();
    let key = |key: &str| format!("{place}/{}", escaped(key));
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            refused.extend(unexpected.iter().map(|unexpected| key(unexpected)));
        }
        Kind::PropertyNames { error } => refused.extend(error.instance().as_str().map(key)),
        Kind::Not { schema } => match wording::excluded(schema) {
            Some(keys) => refused.extend(keys.into_iter().map(key)),
            None => refused.push(place.to_owned()),
        },
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match best_branch(error, context) {
            Some(branch) => branch.iter().for_each(|error| refuse(error, refused)),
            None => refused.push(place.to_owned()),
        },
        _ => refused.push(place.to_owned()),
    }
}

/// The innermost member of an object that holds a place; nothing where that is the whole. Elements of a list are not taken
/// out one by one: the others would stand elsewhere.
fn member(config: &Value, place: &str) -> Option<String> {
    let mut value = Some(config);
    let mut innermost = None;
    let mut end = 0;
    for segment in place.split('/').skip(1) {
        end += 1 + segment.len();
        if value.is_some_and(Value::is_object) {
            innermost = place.get(..end);
        }
        value = value.and_then(|value| value.pointer(&format!("/{segment}")));
    }
    innermost.map(str::to_owned)
}

fn remove(config: &mut Value, member: &str) {
    let key = member.rsplit_once('/').map_or("", |(_, key)| key);
    if let Some(Value::Object(members)) = config.pointer_mut(parent(member)) {
        members.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}

fn parent(place: &str) -> &str {
    place.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether a place is another one, or within it.
fn is_below(place: &str, other: &str) -> bool {
    let rest = place.strip_prefix(other);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rest(config: Value) -> Option<Rest> {
        let text = include_str!("../testdata/schemas/http.json");
        let contract = Contract::new(&serde_json::from_str(text).unwrap()).unwrap();
        contract.rest(Read {
            value: config,
            readings: Readings::default(),
            is_allowed: false,
        })
    }

    #[test]
    fn what_a_schema_refuses_is_taken_out_and_no_more() {
        for (config, removed) in [
            (json!({ "method": "FETCH" }), vec!["/method"]),
            (
                json!({ "colour": 1, "headers": { "a/b": 5, "c": "x" } }),
                vec!["/headers/a~1b", "/colour"],
            ),
            (json!({ "auth": { "username": "a" } }), vec!["/auth"]),
            (
                json!({ "expect": { "status": [200, 1], "json": { "$": 1, "a": 2 } } }),
                vec!["/expect/json/a", "/expect/status"],
            ),
        ] {
            let found = rest(config.clone()).unwrap();
            let mut places = found.removed.clone();
            places.sort();
            let mut expected = removed.clone();
            expected.sort_unstable();
            assert_eq!(places, expected, "{config}");
        }
        assert_eq!(rest(json!([])), None);
    }

    #[test]
    fn a_place_is_whole_where_nothing_is_left_out_of_it_or_beside_it() {
        let rest = Rest {
            removed: vec!["/expect/body/matches".to_owned(), "/a~1b".to_owned()],
            ..Rest::default()
        };
        let is_whole = |place: &[&str]| {
            let keys: Vec<String> = place.iter().map(|key| (*key).to_owned()).collect();
            rest.is_whole_at(&keys)
        };
        assert!(is_whole(&["expect", "json", "$"]) && is_whole(&["tls", "ca"]));
        for place in [
            vec![],
            vec!["expect", "body"],
            vec!["expect", "body", "contains"],
            vec!["expect", "body", "matches", "0"],
            vec!["a/b"],
            vec!["method"],
        ] {
            assert!(!is_whole(&place), "{place:?}");
        }
    }
}
