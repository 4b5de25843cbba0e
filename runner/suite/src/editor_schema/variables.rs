//! Allows references to variables wherever a schema requires something that is not a text.

use serde_json::{Map, Value, json};

/// A text with a reference to a variable.
const REFERENCE: &str = r"\$\{var:";

/// Allows a text with a reference in place of every scalar of a schema.
pub(super) fn allow_references(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let below = keywords.iter_mut().filter(|(keyword, _)| *keyword != "if");
            below.for_each(|(_, schema)| allow_references(schema));
            allow_text(keywords);
            allow_in_choice(keywords);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(allow_references),
        _ => {}
    }
}

/// For numbers and booleans, and for texts with a pattern.
fn allow_text(keywords: &mut Map<String, Value>) {
    if let Some(Value::String(pattern)) = keywords.get_mut("pattern") {
        pattern.push('|');
        pattern.push_str(REFERENCE);
        return;
    }
    let mut types = match keywords.get("type") {
        Some(Value::String(only)) => vec![Value::from(only.as_str())],
        Some(Value::Array(several)) => several.clone(),
        _ => return,
    };
    let has = |name: &str| types.iter().any(|known| known == name);
    let is_scalar = ["integer", "number", "boolean"].into_iter().any(has);
    if is_scalar && !has("string") {
        types.push("string".into());
        keywords.insert("type".to_owned(), types.into());
        keywords.insert("pattern".to_owned(), REFERENCE.into());
    }
}

/// For enumerations.
fn allow_in_choice(keywords: &mut Map<String, Value>) {
    let reference = json!({ "type": "string", "pattern": REFERENCE });
    for keyword in ["enum", "const"] {
        if keywords.contains_key("anyOf") {
            return;
        }
        if let Some(values) = keywords.remove(keyword) {
            let mut choice = Map::new();
            choice.insert(keyword.to_owned(), values);
            keywords.insert("anyOf".to_owned(), json!([choice, reference.clone()]));
        }
    }
}
