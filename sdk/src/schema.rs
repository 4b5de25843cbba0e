//! What a plugin says about its configuration.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The JSON Schema (2020-12) of a configuration.
pub(crate) fn of<C: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(drop_null));
    let schema = settings.into_generator().into_root_schema_for::<C>();
    schema.as_value().to_string()
}

/// A key that may be left out is not a key that may be `null`. Without the alternative a validator can say what is
/// wrong inside a value, in place of that it is neither this nor `null`.
fn drop_null(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        if property.get("default") == Some(&Value::Null) {
            property.remove("default");
        }
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|name| name != "null");
            if let [name] = types.as_mut_slice() {
                let name = name.take();
                property.insert("type".into(), name);
            }
        }
        if let Some(Value::Array(alternatives)) = property.get_mut("anyOf") {
            alternatives.retain(|alternative| alternative.get("type") != Some(&"null".into()));
            if let [Value::Object(only)] = alternatives.as_mut_slice() {
                let only = std::mem::take(only);
                property.remove("anyOf");
                for (key, value) in only {
                    property.entry(key).or_insert(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Default, serde::Deserialize, JsonSchema)]
    #[serde(default)]
    struct Config {
        /// A limit.
        limit: Option<u8>,
        /// More.
        nested: Option<Nested>,
    }

    #[derive(Default, serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Nested {
        /// Anything.
        value: Option<Value>,
    }

    #[test]
    fn an_optional_key_must_not_be_null() {
        let schema: Value = serde_json::from_str(&of::<Config>()).unwrap();
        let limit = &schema["properties"]["limit"];
        assert_eq!((&limit["type"], limit.get("default")), (&json!("integer"), None));
        assert_eq!(
            schema["properties"]["nested"],
            json!({ "$ref": "#/$defs/Nested", "description": "More." })
        );
        assert_eq!(
            schema["$defs"]["Nested"]["properties"]["value"],
            json!({ "description": "Anything." })
        );
    }
}
