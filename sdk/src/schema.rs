//! The JSON Schema of a configuration.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// Generates the JSON Schema (2020-12) of a configuration.
pub(crate) fn generate<C: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(drop_null))
        .with_transform(RecursiveTransform(bound_integer));
    let schema = settings.into_generator().into_root_schema_for::<C>();
    schema.as_value().to_string()
}

/// An optional key must not be `null`. Without that alternative a validator can report what is wrong inside a value,
/// instead of that it is neither this nor `null`.
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

/// Adds the bounds of an integer's type, so that a validator can report them.
fn bound_integer(schema: &mut Schema) {
    let format = schema.get("format").and_then(Value::as_str);
    let (least, most) = match format {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        Some("int8") => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Some("int16") => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => return,
    };
    for (key, bound) in [("minimum", least), ("maximum", most)] {
        if !schema.as_object().is_some_and(|schema| schema.contains_key(key)) {
            schema.insert(key.to_owned(), bound.into());
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
    fn an_integer_has_the_bounds_of_its_type() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema matters")]
        struct Config {
            port: Option<u16>,
            bits: Vec<u32>,
            #[schemars(range(min = 1, max = 20))]
            few: u32,
        }
        let schema: Value = serde_json::from_str(&generate::<Config>()).unwrap();
        let maximum = |pointer: &str| schema.pointer(pointer).unwrap()["maximum"].clone();
        assert_eq!(maximum("/properties/port"), json!(65_535));
        assert_eq!(maximum("/properties/bits/items"), json!(4_294_967_295_u32));
        assert_eq!(maximum("/properties/few"), json!(20));
    }

    #[test]
    fn an_optional_key_must_not_be_null() {
        let schema: Value = serde_json::from_str(&generate::<Config>()).unwrap();
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
