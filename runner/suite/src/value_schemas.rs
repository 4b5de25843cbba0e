//! What a plugin's schema says about inheriting the values of its configuration.

use std::borrow::Cow;

use serde_json::Value;

/// Marks a value that replaces an inherited one as a whole. `null` is a value there, where the schema allows it.
const ATOMIC: &str = "x-canary-atomic";
/// Marks a mapping whose keys are ASCII names in which upper and lower case make no difference.
const IGNORES_CASE: &str = "x-canary-ignore-case";

/// Maximum number of subschemas that are searched for what applies to one value: a plugin is not trusted.
const MAX_SCHEMAS: usize = 64;

/// The subschemas that apply to one value of a configuration, in any of the alternatives.
#[derive(Clone)]
pub(super) struct ValueSchemas<'s> {
    root: &'s Value,
    schemas: Vec<&'s Value>,
}

impl<'s> ValueSchemas<'s> {
    /// Those of a whole configuration; `Value::Null` stands for a schema that is not known.
    pub(super) fn new(root: &'s Value) -> Self {
        Self::with_alternatives(root, vec![root])
    }

    /// Adds the alternatives of schemas, and what they refer to.
    fn with_alternatives(root: &'s Value, mut waiting: Vec<&'s Value>) -> Self {
        let mut schemas = Vec::new();
        for _ in 0..MAX_SCHEMAS {
            let Some(schema) = waiting.pop() else { break };
            let Some(keywords) = schema.as_object() else {
                continue;
            };
            schemas.push(schema);
            for keyword in ["allOf", "anyOf", "oneOf"] {
                let branches = keywords.get(keyword).and_then(Value::as_array);
                let free = MAX_SCHEMAS.saturating_sub(waiting.len());
                waiting.extend(branches.into_iter().flatten().take(free));
            }
            let target = keywords.get("$ref").and_then(Value::as_str);
            let pointer = target.and_then(|target| target.strip_prefix('#'));
            waiting.extend(pointer.and_then(|pointer| root.pointer(pointer)));
        }
        Self { root, schemas }
    }

    /// Those of the value of a key.
    pub(super) fn of_key(&self, key: &str) -> Self {
        let of_key = |schema: &&'s Value| {
            let named = schema
                .get("properties")
                .and_then(|properties| properties.get(key));
            named.or_else(|| schema.get("additionalProperties"))
        };
        Self::with_alternatives(self.root, self.schemas.iter().filter_map(of_key).collect())
    }

    /// Those of each element of a list.
    pub(super) fn of_elements(&self) -> Self {
        let items = self.schemas.iter().filter_map(|schema| schema.get("items"));
        Self::with_alternatives(self.root, items.collect())
    }

    /// Whether the value is taken as a whole, so that nothing is merged into it.
    pub(super) fn are_atomic(&self) -> bool {
        self.have(ATOMIC)
    }

    /// Whether keys of the mapping that differ only in case are the same.
    pub(super) fn ignore_case(&self) -> bool {
        self.have(IGNORES_CASE)
    }

    /// What identifies a key of the mapping.
    pub(super) fn name<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.ignore_case() {
            key.to_ascii_lowercase().into()
        } else {
            key.into()
        }
    }

    fn have(&self, mark: &str) -> bool {
        let is_set = |schema: &&Value| schema.get(mark).and_then(Value::as_bool) == Some(true);
        self.schemas.iter().any(is_set)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_found_behind_references_and_in_alternatives() {
        let schema = json!({
            "properties": {
                "headers": { "x-canary-ignore-case": true, "additionalProperties": { "$ref": "#/$defs/Rule" } },
                "steps": { "items": { "anyOf": [{ "$ref": "#/$defs/Rule" }, { "type": "string" }] } },
                "off": { "x-canary-atomic": false },
            },
            "$defs": { "Rule": { "properties": { "equals": { "x-canary-atomic": true } } } },
        });
        let root = ValueSchemas::new(&schema);
        let headers = root.of_key("headers");
        assert_eq!((&*headers.name("X-Ab"), &*root.name("X-Ab")), ("x-ab", "X-Ab"));
        assert!(headers.of_key("X-Ab").of_key("equals").are_atomic());
        assert!(root.of_key("steps").of_elements().of_key("equals").are_atomic());
        assert!(!headers.are_atomic() && !root.of_key("off").are_atomic());
        assert!(!ValueSchemas::new(&Value::Null).of_key("headers").ignore_case());
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_searched_within_a_bound() {
        let twice =
            json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }], "additionalProperties": { "$ref": "#" } });
        let schemas = ValueSchemas::new(&twice).of_key("a").of_key("b");
        assert_eq!(schemas.schemas.len(), MAX_SCHEMAS);
    }
}
