//! The part of a configuration that its plugin can validate although the schema rejects others.

use jsonschema::error::{ValidationError, ValidationErrorKind as Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::coercion::CoercedConfig;
use super::{SchemaValidator, best_branch, messages};
use crate::json::{self, Coercions};
use crate::tree::Node;

/// Maximum number of rounds: the remainder may be invalid because of what was removed.
const MAX_ROUNDS: usize = 4;
/// Maximum number of members that are removed.
const MAX_REMOVED: usize = 100;

/// A configuration without the members that its schema rejects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartialConfig {
    #[serde(rename = "readings")]
    coercions: Coercions,
    /// Removed members of objects, as JSON pointers.
    removed: Vec<String>,
}

impl PartialConfig {
    /// The remaining configuration, as JSON.
    pub(crate) fn to_json(&self, config: Option<&Node>) -> String {
        json::to_exact_json(config, &self.coercions, &self.removed)
    }

    /// Whether a problem at a position also applies to the full configuration: neither the position nor a sibling was
    /// removed.
    pub(crate) fn is_complete_at(&self, keys: &[String]) -> bool {
        let pointer: String = keys.iter().map(|key| format!("/{}", escaped(key))).collect();
        let beside = parent(&pointer);
        let touches = |removed: &String| {
            is_below(&pointer, removed) || is_below(removed, &pointer) || parent(removed) == beside
        };
        !self.removed.iter().any(touches)
    }
}

impl SchemaValidator {
    /// The valid part of a configuration that the schema rejects; nothing if there is none.
    pub(crate) fn partial_config(&self, read: CoercedConfig) -> Option<PartialConfig> {
        let CoercedConfig {
            mut value, coercions, ..
        } = read;
        let mut removed: Vec<String> = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let mut rejected = Vec::new();
            for error in self.validator.iter_errors(&value).take(MAX_REMOVED) {
                collect_rejected(&error, &mut rejected);
            }
            let members: Option<Vec<String>> =
                rejected.iter().map(|pointer| member(&value, pointer)).collect();
            for member in members? {
                remove(&mut value, &member);
                removed.push(member);
            }
            if removed.len() > MAX_REMOVED {
                return None;
            }
            if self.is_valid(&value) {
                return Some(PartialConfig { coercions, removed });
            }
        }
        None
    }
}

/// The positions that an error is about, in the alternative that was most likely meant.
fn collect_rejected(error: &ValidationError<'_>, rejected: &mut Vec<String>) {
    let pointer = error.instance_path().as_str();
    let key = |key: &str| format!("{pointer}/{}", escaped(key));
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            rejected.extend(unexpected.iter().map(|unexpected| key(unexpected)));
        }
        Kind::PropertyNames { error } => rejected.extend(error.instance().as_str().map(key)),
        Kind::Not { schema } => match messages::exclusive_keys(schema) {
            Some(keys) => rejected.extend(keys.into_iter().map(key)),
            None => rejected.push(pointer.to_owned()),
        },
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match best_branch(error, context) {
            Some(branch) => branch.iter().for_each(|error| collect_rejected(error, rejected)),
            None => rejected.push(pointer.to_owned()),
        },
        _ => rejected.push(pointer.to_owned()),
    }
}

/// The innermost member of an object that contains a position; nothing for the root. Elements of a list are not removed
/// individually, since that would shift the others.
fn member(config: &Value, pointer: &str) -> Option<String> {
    let mut value = Some(config);
    let mut innermost = None;
    let mut end = 0;
    for segment in pointer.split('/').skip(1) {
        end += 1 + segment.len();
        if value.is_some_and(Value::is_object) {
            innermost = pointer.get(..end);
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

fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether a position equals another one, or is within it.
fn is_below(pointer: &str, other: &str) -> bool {
    let rest = pointer.strip_prefix(other);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rest(config: Value) -> Option<PartialConfig> {
        let text = include_str!("../testdata/schemas/http.json");
        let validator = SchemaValidator::new(&serde_json::from_str(text).unwrap()).unwrap();
        validator.partial_config(CoercedConfig {
            value: config,
            coercions: Coercions::default(),
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
            let mut pointers = found.removed.clone();
            pointers.sort();
            let mut expected = removed.clone();
            expected.sort_unstable();
            assert_eq!(pointers, expected, "{config}");
        }
        assert_eq!(rest(json!([])), None);
    }

    #[test]
    fn a_place_is_whole_where_nothing_is_left_out_of_it_or_beside_it() {
        let rest = PartialConfig {
            removed: vec!["/expect/body/matches".to_owned(), "/a~1b".to_owned()],
            ..PartialConfig::default()
        };
        let is_whole = |pointer: &[&str]| {
            let keys: Vec<String> = pointer.iter().map(|key| (*key).to_owned()).collect();
            rest.is_complete_at(&keys)
        };
        assert!(is_whole(&["expect", "json", "$"]) && is_whole(&["tls", "ca"]));
        for pointer in [
            vec![],
            vec!["expect", "body"],
            vec!["expect", "body", "contains"],
            vec!["expect", "body", "matches", "0"],
            vec!["a/b"],
            vec!["method"],
        ] {
            assert!(!is_whole(&pointer), "{pointer:?}");
        }
    }
}
