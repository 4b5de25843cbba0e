//! The OpenAPI document: its paths are written by hand, the schemas of its responses are those of their types.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use canary_run::report::admin_api::ErrorBody;

/// The document without schemas.
const PATHS: &str = include_str!("openapi.json");
/// Where the document has its schemas, which refer to each other by the names of their types.
const SCHEMAS: &str = "/components/schemas";

/// Adds the schemas of a type and of the types in it.
pub(super) type AddSchema = fn(&mut SchemaGenerator) -> Schema;

/// The document with the schemas of these responses, and of errors.
pub(super) fn document<'a>(responses: impl Iterator<Item = &'a AddSchema>) -> String {
    // Both parts are constant and valid, as tests show.
    with_schemas(schemas(responses)).unwrap_or_else(|_| PATHS.to_owned())
}

fn with_schemas(schemas: Map<String, Value>) -> serde_json::Result<String> {
    let mut document: Value = serde_json::from_str(PATHS)?;
    if let Some(place) = document.pointer_mut(SCHEMAS) {
        *place = Value::Object(schemas);
    }
    serde_json::to_string_pretty(&document)
}

fn schemas<'a>(responses: impl Iterator<Item = &'a AddSchema>) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = SCHEMAS.into());
    let settings = settings.with_transform(RecursiveTransform(remove_default));
    let mut generator = settings.into_generator();
    generator.subschema_for::<ErrorBody>();
    for add_schema in responses {
        add_schema(&mut generator);
    }
    generator.take_definitions(true)
}

/// Defaults are for the responses of older versions; a response has all its keys.
fn remove_default(schema: &mut Schema) {
    schema.remove("default");
}
