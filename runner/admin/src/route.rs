//! What a route is: an endpoint with what is known about it.

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::access::Permission;
use super::handler::Handler;
use super::query::Parameter;

/// Stands for a parameter at the end of a path.
const PARAMETER: &str = "{id}";

/// An endpoint. The list at `/` and the OpenAPI document are made from it.
pub(super) struct Route {
    /// May end with `{id}`, which stands for a parameter.
    pub(super) path: &'static str,
    /// The method that it serves; with `GET` also `HEAD`.
    pub(super) method: Method,
    pub(super) permission: Permission,
    /// One line that says what it is.
    pub(super) summary: &'static str,
    /// The query parameters that it knows.
    pub(super) parameters: &'static [&'static Parameter],
    pub(super) handler: Handler,
    /// What its handler responds, besides a refusal of its query parameters.
    pub(super) answers: &'static [Answer],
}

/// A response that a handler gives.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// A sentence.
    pub(super) description: &'static str,
    pub(super) content_type: &'static str,
    /// Adds the schema of its body, and of the types in it.
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Answer {
    /// A value as JSON.
    pub(super) const fn json<T: JsonSchema>(status: StatusCode, description: &'static str) -> Self {
        Self {
            status,
            description,
            content_type: "application/json",
            schema: SchemaGenerator::subschema_for::<T>,
        }
    }

    /// A text for people or scrapers.
    pub(super) const fn text(description: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            description,
            content_type: "text/plain",
            schema: SchemaGenerator::subschema_for::<String>,
        }
    }
}

impl Route {
    /// The decoded parameter in `path`, empty if this route has none; `None` if it is not the route of `path`.
    pub(super) fn parameter_of(&self, path: &str) -> Option<String> {
        let Some(prefix) = self.path.strip_suffix(PARAMETER) else {
            return (path == self.path).then(String::new);
        };
        let id = path.strip_prefix(prefix).filter(|id| !id.is_empty())?;
        Some(percent_decode_str(id).decode_utf8().ok()?.into_owned())
    }

    pub(super) fn serves(&self, method: &Method) -> bool {
        *method == self.method || (self.method == Method::GET && *method == Method::HEAD)
    }

    /// The methods that it serves, as in the header `Allow`.
    pub(super) fn methods(&'static self) -> &'static str {
        if self.method == Method::GET {
            "GET, HEAD"
        } else {
            self.method.as_str()
        }
    }

    /// Whether its path ends with a parameter.
    pub(super) fn has_id(&self) -> bool {
        self.path.ends_with(PARAMETER)
    }

    /// Its line of the list at `/`, with an example of each query parameter.
    pub(super) fn line(&self) -> String {
        let path = self.path.replace(PARAMETER, "ID");
        let parameters = self.parameters.iter();
        let examples: Vec<_> = parameters
            .map(|parameter| format!("{}={}", parameter.name, parameter.example))
            .collect();
        let query = if examples.is_empty() {
            String::new()
        } else {
            format!("; ?{}", examples.join("&"))
        };
        format!("{path:<22}{}{query}\n", self.summary)
    }
}
