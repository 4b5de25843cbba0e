//! The OpenAPI document: its operations are made from the routes, the schemas are those of the types in responses.

use http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::access::Permission;
use super::route::{Answer, Route};
use canary_run::report::admin_api::ErrorBody;

/// Where the document has its schemas, which refer to each other by the names of their types.
const SCHEMAS: &str = "/components/schemas";
const DESCRIPTION: &str = "Health probes, metrics and the admin API of a running instance. Times are RFC 3339 in UTC; \
                           durations are in seconds. Reading requires the admin token if the address is not a \
                           loopback address; writing always requires it.";

/// The document with these routes.
pub(super) fn document(routes: &[Route]) -> String {
    let mut generator = generator();
    let mut paths = Map::new();
    for route in routes {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.insert(
            route.path.to_owned(),
            json!({ method: operation(route, &mut generator) }),
        );
    }
    let common = json!({
        "Misdirected": response(&MISDIRECTED, &mut generator),
        "Busy": busy(&mut generator),
    });
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Canary", "version": "1", "description": DESCRIPTION },
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": common,
            "schemas": generator.take_definitions(true),
        },
    });
    format!("{document:#}")
}

fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = SCHEMAS.into());
    let settings = settings.with_transform(RecursiveTransform(remove_default));
    settings.into_generator()
}

/// Defaults are for the responses of older versions; a response has all its keys.
fn remove_default(schema: &mut Schema) {
    schema.remove("default");
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), route.summary.into());
    operation.insert("responses".to_owned(), responses(route, generator).into());
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), parameters.into());
    }
    let security = match route.permission {
        Permission::Probe => Some(json!([])),
        // The default of the document.
        Permission::Read => None,
        Permission::Write => Some(json!([{ "token": [] }])),
    };
    operation.extend(security.map(|security| ("security".to_owned(), security)));
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.has_id().then(|| {
        json!({
            "name": "id",
            "in": "path",
            "required": true,
            "description": "Percent-encoded.",
            "schema": { "type": "string" },
        })
    });
    let in_query = route.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.description,
            "schema": (parameter.schema)(),
        })
    });
    in_path.into_iter().chain(in_query).collect()
}

/// The answers of the handler, and those before a request gets to it.
fn responses(route: &Route, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let reference = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    let mut responses = Map::new();
    responses.insert(MISDIRECTED.status.as_str().to_owned(), reference("Misdirected"));
    // Probes have separate places.
    if route.permission != Permission::Probe {
        responses.insert(BUSY.status.as_str().to_owned(), reference("Busy"));
    }
    let refusals = [
        (!route.parameters.is_empty(), &INVALID),
        (route.permission != Permission::Probe, &UNAUTHORIZED),
        (route.permission == Permission::Write, &FORBIDDEN),
    ];
    let refusals = refusals
        .into_iter()
        .filter_map(|(is_given, answer)| is_given.then_some(answer));
    for answer in refusals.chain(route.answers) {
        let status = answer.status.as_str().to_owned();
        responses.insert(status, response(answer, generator));
    }
    responses
}

fn response(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    json!({
        "description": answer.description,
        "content": content(answer, generator),
    })
}

fn busy(generator: &mut SchemaGenerator) -> Value {
    json!({
        "description": BUSY.description,
        "headers": { "Retry-After": { "schema": { "type": "integer" } } },
        "content": content(&BUSY, generator),
    })
}

fn content(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    json!({ answer.content_type: { "schema": (answer.schema)(generator) } })
}

const INVALID: Answer =
    Answer::json::<ErrorBody>(StatusCode::BAD_REQUEST, "Unknown parameter or invalid value.");
const UNAUTHORIZED: Answer =
    Answer::json::<ErrorBody>(StatusCode::UNAUTHORIZED, "The admin token is missing or invalid.");
const FORBIDDEN: Answer = Answer::json::<ErrorBody>(
    StatusCode::FORBIDDEN,
    "Write access is disabled because no admin token is configured.",
);
const MISDIRECTED: Answer = Answer::json::<ErrorBody>(
    StatusCode::MISDIRECTED_REQUEST,
    "The request is for an unknown host name (protection against DNS rebinding).",
);
const BUSY: Answer = Answer::json::<ErrorBody>(
    StatusCode::SERVICE_UNAVAILABLE,
    "Too many responses are being sent; try again after `Retry-After` seconds.",
);
