//! All routes of the admin server, and how a request gets to the handler of one.

use std::sync::LazyLock;

use http::{Method, Request, StatusCode};
use serde_json::{Map, Value};

use super::access::{AccessPolicy, Permission};
use super::handler::{ApiRequest, Handler};
use super::response::{self, Response, error_response, json_document, method_not_allowed, plain_text};
use super::route::{Answer, Route};
use super::status::{self, CheckDetail};
use super::version::{self, Version};
use super::{AdminState, connections, hosts, openapi, probes, query, reload};
use canary_run::report::admin_api::{
    Connections, ErrorBody, HealthStatus, ReloadFailed, Reloaded, RunnerStatus,
};

/// All endpoints, in the order of the list at `/`.
pub(super) static ROUTES: &[Route] = &[
    Route {
        path: "/",
        method: Method::GET,
        permission: Permission::Read,
        summary: "list of these endpoints",
        parameters: &[],
        handler: Handler::Immediate(home),
        answers: &[Answer::text("The list of endpoints.")],
    },
    Route {
        path: "/livez",
        method: Method::GET,
        permission: Permission::Probe,
        summary: "liveness; 503 if only a restart helps",
        parameters: &[],
        handler: Handler::Immediate(probes::get_livez),
        answers: &[
            Answer::json::<HealthStatus>(StatusCode::OK, "Alive."),
            Answer::json::<HealthStatus>(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not alive: a restart is required; lists the problems.",
            ),
        ],
    },
    Route {
        path: "/readyz",
        method: Method::GET,
        permission: Permission::Probe,
        summary: "readiness; 503 if there is any problem",
        parameters: &[],
        handler: Handler::Immediate(probes::get_readyz),
        answers: &[
            Answer::json::<HealthStatus>(StatusCode::OK, "Ready."),
            Answer::json::<HealthStatus>(StatusCode::SERVICE_UNAVAILABLE, "Not ready; lists the problems."),
        ],
    },
    Route {
        path: "/metrics",
        method: Method::GET,
        permission: Permission::Read,
        summary: "metrics in the Prometheus or OpenMetrics format",
        parameters: &[],
        handler: Handler::Immediate(metrics),
        answers: &[Answer::text(
            "The Prometheus text format, or OpenMetrics if the client accepts it.",
        )],
    },
    Route {
        path: "/api/v1/status",
        method: Method::GET,
        permission: Permission::Read,
        summary: "status of the runner and its checks",
        parameters: &[&query::CHECK, &query::STATUS, &query::ORDER, &query::LIMIT],
        handler: Handler::Immediate(status::get_status),
        answers: &[Answer::json::<RunnerStatus>(StatusCode::OK, "The current state.")],
    },
    Route {
        path: "/api/v1/checks/{id}",
        method: Method::GET,
        permission: Permission::Read,
        summary: "status of one check, with the details of its last run",
        parameters: &[],
        handler: Handler::Immediate(status::get_check),
        answers: &[
            Answer::json::<CheckDetail>(StatusCode::OK, "The current state."),
            Answer::json::<ErrorBody>(StatusCode::NOT_FOUND, "No check with this id."),
        ],
    },
    Route {
        path: "/api/v1/connections",
        method: Method::GET,
        permission: Permission::Read,
        summary: "open connections and recently reclaimed ones",
        parameters: &[&query::CHECK, &query::LIMIT],
        handler: Handler::Immediate(connections::get_connections),
        answers: &[Answer::json::<Connections>(
            StatusCode::OK,
            "The current connections.",
        )],
    },
    Route {
        path: "/api/v1/reload",
        method: Method::POST,
        permission: Permission::Write,
        summary: "POST reloads the suite; requires the admin token",
        parameters: &[],
        handler: Handler::Waiting(reload::post_reload),
        answers: &[
            Answer::json::<Reloaded>(StatusCode::OK, "The new suite is active."),
            Answer::json::<ReloadFailed>(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The suite is invalid; the current one stays active.",
            ),
            Answer::json::<ErrorBody>(StatusCode::GATEWAY_TIMEOUT, "The reload is still running."),
        ],
    },
    Route {
        path: "/api/v1/version",
        method: Method::GET,
        permission: Permission::Read,
        summary: "version, contract versions served to plugins, and features of the build",
        parameters: &[],
        handler: Handler::Immediate(version::get_version),
        answers: &[Answer::json::<Version>(
            StatusCode::OK,
            "This build of the runner.",
        )],
    },
    Route {
        path: "/openapi.json",
        method: Method::GET,
        permission: Permission::Read,
        summary: "OpenAPI description of these endpoints",
        parameters: &[],
        handler: Handler::Immediate(openapi_document),
        answers: &[Answer::json::<Map<String, Value>>(
            StatusCode::OK,
            "The OpenAPI document.",
        )],
    },
];

/// The route of a path, with the decoded parameter in it.
fn route_of(path: &str) -> Option<(&'static Route, String)> {
    ROUTES
        .iter()
        .find_map(|route| Some((route, route.parameter_of(path)?)))
}

/// Whether a path is a health probe, whose response is short.
pub(super) fn is_probe(path: &str) -> bool {
    route_of(path).is_some_and(|(route, _)| route.permission == Permission::Probe)
}

/// Handles a request: checks path, method, origin and access, and calls the handler.
///
/// Cancellation: a requested change may still take effect.
pub(super) async fn handle<B>(request: &Request<B>, state: &AdminState, access: &AccessPolicy) -> Response {
    let Some((route, id)) = route_of(request.uri().path()) else {
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
        parameters: route.parameters,
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

/// `GET /`: the list of the other endpoints, for people.
fn home(_request: ApiRequest<'_>) -> Result<Response, String> {
    let listed = ROUTES.iter().filter(|route| route.path != "/");
    Ok(plain_text(format!(
        "canary\n\n{}",
        listed.map(Route::line).collect::<String>()
    )))
}

/// `GET /metrics`.
fn metrics(request: ApiRequest<'_>) -> Result<Response, String> {
    Ok(response::metrics(request.headers, &request.state.metrics))
}

/// `GET /openapi.json`: assembled when it is first requested.
fn openapi_document(request: ApiRequest<'_>) -> Result<Response, String> {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document(ROUTES));
    Ok(json_document(request.headers, &DOCUMENT))
}
