//! The routes of the admin server: paths, methods, required permissions and handlers.

use std::time::SystemTime;

use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::AdminState;
use super::access::{AccessPolicy, Permission};
use super::connections::connections;
use super::query::Query;
use super::response::{
    Response, error_response, json, json_chunks, json_document, method_not_allowed, metrics, plain_text,
};
use super::status::{detail, status};
use super::{hosts, probes, reload};

const HOME: &str = "canary

/livez                liveness; 503 if only a restart helps
/readyz               readiness; 503 if there is any problem
/metrics              metrics in the Prometheus or OpenMetrics format
/api/v1/status        status of the runner and its checks; ?check=NAME&status=down,unknown&order=worst&limit=N
/api/v1/checks/ID     status of one check, with the details of its last run
/api/v1/connections   open connections and recently reclaimed ones; ?check=NAME&limit=N
/api/v1/reload        POST reloads the suite; requires the admin token
/openapi.json         OpenAPI description of these endpoints
";
const OPENAPI: &str = include_str!("openapi.json");
const CHECKS: &str = "/api/v1/checks/";

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Home,
    Live,
    Ready,
    Metrics,
    OpenApi,
    Status,
    Check(String),
    Connections,
    Reload,
}

impl Route {
    fn from_path(path: &str) -> Option<Self> {
        Some(match path {
            "/" => Self::Home,
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/openapi.json" => Self::OpenApi,
            "/api/v1/status" => Self::Status,
            "/api/v1/connections" => Self::Connections,
            "/api/v1/reload" => Self::Reload,
            path => {
                let id = path.strip_prefix(CHECKS).filter(|id| !id.is_empty())?;
                Self::Check(percent_decode_str(id).decode_utf8().ok()?.into_owned())
            }
        })
    }

    fn permission(&self) -> Permission {
        match self {
            Self::Live | Self::Ready => Permission::Probe,
            Self::Reload => Permission::Write,
            _ => Permission::Read,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Reload => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Whether a path is a health probe, whose response is short.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(Route::from_path(path), Some(Route::Live | Route::Ready))
}

/// Handles a request: checks path, method, origin and access, and calls the handler.
///
/// Cancellation: a requested change may still take effect.
pub(super) async fn handle<B>(request: &Request<B>, state: &AdminState, access: &AccessPolicy) -> Response {
    let Some(route) = Route::from_path(request.uri().path()) else {
        return error_response(StatusCode::NOT_FOUND, "not found; see / for available endpoints");
    };
    let is_allowed = match route {
        Route::Reload => *request.method() == Method::POST,
        _ => matches!(*request.method(), Method::GET | Method::HEAD),
    };
    if !is_allowed {
        return method_not_allowed(route.methods());
    }
    if route.permission() == Permission::Write
        && let Some(refusal) = hosts::foreign_origin(request.headers())
    {
        return refusal;
    }
    if let Some(refusal) = access.refusal(route.permission(), request.headers()) {
        return refusal;
    }
    match respond(request, &route, state).await {
        Ok(response) => response,
        Err(problem) => error_response(StatusCode::BAD_REQUEST, problem),
    }
}

/// Calls the handler of a route.
///
/// # Errors
/// The query parameters are invalid.
async fn respond<B>(request: &Request<B>, route: &Route, state: &AdminState) -> Result<Response, String> {
    let (request_headers, query) = (request.headers(), request.uri().query());
    Ok(match route {
        Route::Home => plain_text(HOME),
        Route::Live => probes::live(request_headers, state),
        Route::Ready => probes::ready(request_headers, state),
        Route::Metrics => metrics(request_headers, &state.metrics),
        Route::OpenApi => json_document(request_headers, OPENAPI),
        Route::Status => {
            let query = Query::parse(query, &["check", "status", "order", "limit"])?;
            match status(state, &query) {
                Ok(chunks) => json_chunks(request_headers, chunks),
                Err(_) => error_response(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "cannot encode the response as JSON",
                ),
            }
        }
        Route::Check(id) => match detail(state, id) {
            Some(detail) => json(request_headers, StatusCode::OK, &detail),
            None => error_response(StatusCode::NOT_FOUND, format!("no check with id `{id}`")),
        },
        Route::Connections => {
            let query = Query::parse(query, &["check", "limit"])?;
            let found = connections(state, &query, SystemTime::now());
            json(request_headers, StatusCode::OK, &found)
        }
        Route::Reload => reload::reload(request_headers, state).await,
    })
}
