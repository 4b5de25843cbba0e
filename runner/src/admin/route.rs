//! The routes of the admin server: paths, methods, required permissions and handlers.

use std::sync::LazyLock;

use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::SchemaGenerator;

use super::access::{AccessPolicy, Permission};
use super::handler::{ApiRequest, Handler};
use super::openapi::{self, AddSchema};
use super::response::{self, Response, error_response, json_document, method_not_allowed, plain_text};
use super::status::{self, CheckDetail};
use super::{AdminState, connections, hosts, probes, reload};
use canary_run::report::admin_api::{Connections, HealthStatus, ReloadFailed, Reloaded, RunnerStatus};

/// Stands for a parameter at the end of a path.
const PARAMETER: &str = "{id}";

/// An endpoint, which `openapi.json` describes.
pub(super) struct Route {
    /// May end with [`PARAMETER`].
    pub(super) path: &'static str,
    /// The method that it serves; with `GET` also `HEAD`.
    pub(super) method: Method,
    pub(super) permission: Permission,
    /// A line of the list at `/`; not listed if it is empty.
    pub(super) summary: &'static str,
    handler: Handler,
    /// Types of its responses in JSON, besides errors.
    responses: &'static [AddSchema],
}

/// All endpoints, in the order of the list at `/`.
pub(super) static ROUTES: [Route; 9] = [
    Route {
        path: "/",
        method: Method::GET,
        permission: Permission::Read,
        summary: "",
        handler: Handler::Immediate(home),
        responses: &[],
    },
    Route {
        path: "/livez",
        method: Method::GET,
        permission: Permission::Probe,
        summary: "liveness; 503 if only a restart helps",
        handler: Handler::Immediate(probes::get_livez),
        responses: &[SchemaGenerator::subschema_for::<HealthStatus>],
    },
    Route {
        path: "/readyz",
        method: Method::GET,
        permission: Permission::Probe,
        summary: "readiness; 503 if there is any problem",
        handler: Handler::Immediate(probes::get_readyz),
        responses: &[SchemaGenerator::subschema_for::<HealthStatus>],
    },
    Route {
        path: "/metrics",
        method: Method::GET,
        permission: Permission::Read,
        summary: "metrics in the Prometheus or OpenMetrics format",
        handler: Handler::Immediate(metrics),
        responses: &[],
    },
    Route {
        path: "/api/v1/status",
        method: Method::GET,
        permission: Permission::Read,
        summary: "status of the runner and its checks; ?check=NAME&status=down,unknown&order=worst&limit=N",
        handler: Handler::Immediate(status::get_status),
        responses: &[SchemaGenerator::subschema_for::<RunnerStatus>],
    },
    Route {
        path: "/api/v1/checks/{id}",
        method: Method::GET,
        permission: Permission::Read,
        summary: "status of one check, with the details of its last run",
        handler: Handler::Immediate(status::get_check),
        responses: &[SchemaGenerator::subschema_for::<CheckDetail>],
    },
    Route {
        path: "/api/v1/connections",
        method: Method::GET,
        permission: Permission::Read,
        summary: "open connections and recently reclaimed ones; ?check=NAME&limit=N",
        handler: Handler::Immediate(connections::get_connections),
        responses: &[SchemaGenerator::subschema_for::<Connections>],
    },
    Route {
        path: "/api/v1/reload",
        method: Method::POST,
        permission: Permission::Write,
        summary: "POST reloads the suite; requires the admin token",
        handler: Handler::Waiting(reload::post_reload),
        responses: &[
            SchemaGenerator::subschema_for::<Reloaded>,
            SchemaGenerator::subschema_for::<ReloadFailed>,
        ],
    },
    Route {
        path: "/openapi.json",
        method: Method::GET,
        permission: Permission::Read,
        summary: "OpenAPI description of these endpoints",
        handler: Handler::Immediate(openapi_document),
        responses: &[],
    },
];

impl Route {
    /// The route of a path, with the decoded parameter in it.
    fn from_path(path: &str) -> Option<(&'static Self, String)> {
        ROUTES
            .iter()
            .find_map(|route| Some((route, route.parameter_of(path)?)))
    }

    /// The decoded parameter in `path`, empty if this route has none; `None` if it is not the route of `path`.
    fn parameter_of(&self, path: &str) -> Option<String> {
        let Some(prefix) = self.path.strip_suffix(PARAMETER) else {
            return (path == self.path).then(String::new);
        };
        let id = path.strip_prefix(prefix).filter(|id| !id.is_empty())?;
        Some(percent_decode_str(id).decode_utf8().ok()?.into_owned())
    }

    fn serves(&self, method: &Method) -> bool {
        *method == self.method || (self.method == Method::GET && *method == Method::HEAD)
    }

    /// The methods that it serves, as in the header `Allow`.
    fn methods(&'static self) -> &'static str {
        if self.method == Method::GET {
            "GET, HEAD"
        } else {
            self.method.as_str()
        }
    }
}

/// Whether a path is a health probe, whose response is short.
pub(super) fn is_probe(path: &str) -> bool {
    Route::from_path(path).is_some_and(|(route, _)| route.permission == Permission::Probe)
}

/// Handles a request: checks path, method, origin and access, and calls the handler.
///
/// Cancellation: a requested change may still take effect.
pub(super) async fn handle<B>(request: &Request<B>, state: &AdminState, access: &AccessPolicy) -> Response {
    let Some((route, id)) = Route::from_path(request.uri().path()) else {
        return error_response(StatusCode::NOT_FOUND, "not found; see / for available endpoints");
    };
    if !route.serves(request.method()) {
        return method_not_allowed(route.methods());
    }
    if route.permission == Permission::Write
        && let Some(refusal) = hosts::foreign_origin(request.headers())
    {
        return refusal;
    }
    if let Some(refusal) = access.refusal(route.permission, request.headers()) {
        return refusal;
    }
    let request = ApiRequest {
        state,
        headers: request.headers(),
        query: request.uri().query(),
        id: &id,
    };
    match route.handler {
        Handler::Immediate(handler) => match handler(request) {
            Ok(response) => response,
            Err(problem) => error_response(StatusCode::BAD_REQUEST, problem),
        },
        Handler::Waiting(handler) => handler(request).await,
    }
}

/// `GET /`: the list of endpoints, for people.
fn home(_request: ApiRequest<'_>) -> Result<Response, String> {
    let listed = ROUTES.iter().filter(|route| !route.summary.is_empty());
    let lines = listed.map(|route| {
        let path = route.path.replace(PARAMETER, "ID");
        format!("{path:<22}{}\n", route.summary)
    });
    Ok(plain_text(format!("canary\n\n{}", lines.collect::<String>())))
}

/// `GET /metrics`.
fn metrics(request: ApiRequest<'_>) -> Result<Response, String> {
    Ok(response::metrics(request.headers, &request.state.metrics))
}

/// `GET /openapi.json`: assembled when it is first requested.
fn openapi_document(request: ApiRequest<'_>) -> Result<Response, String> {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        let responses = ROUTES.iter().flat_map(|route| route.responses);
        openapi::document(responses)
    });
    Ok(json_document(request.headers, &DOCUMENT))
}
