//! Which request gets which answer.

use std::time::SystemTime;

use http::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::Shown;
use super::answer::{Page, declined, document, json, json_parts, not_allowed, plain, scrape};
use super::connections::connections;
use super::gate::{Gate, Wish};
use super::query::Query;
use super::status::{detail, status};
use super::{condition, hosts, reload};

const HOME: &str = "canary

/livez                whether the runner goes on at all; 503 when it does not
/readyz               whether all is well with it; 503 when it is not
/metrics              in the formats of Prometheus and OpenMetrics
/api/v1/status        the runner and its checks; ?check=NAME&status=down,unknown&order=worst&limit=N
/api/v1/checks/ID     one check, with its last run in full
/api/v1/connections   who holds which connection, and what was taken back; ?check=NAME&limit=N
/api/v1/reload        POST reads the suite again; takes the token
/openapi.json         all this for a program
";
const OPENAPI: &str = include_str!("openapi.json");
const CHECKS: &str = "/api/v1/checks/";

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
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

impl Place {
    fn of(path: &str) -> Option<Self> {
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

    fn wish(&self) -> Wish {
        match self {
            Self::Live | Self::Ready => Wish::Probe,
            Self::Reload => Wish::Change,
            _ => Wish::Look,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Reload => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Whether what is at a path is asked for by probes, and is short.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(Place::of(path), Some(Place::Live | Place::Ready))
}

/// Cancellation: what was asked for may be done all the same.
pub(super) async fn route<B>(request: &Request<B>, shown: &Shown, gate: &Gate) -> Page {
    let Some(place) = Place::of(request.uri().path()) else {
        return declined(StatusCode::NOT_FOUND, "not here; see /");
    };
    let is_allowed = match place {
        Place::Reload => *request.method() == Method::POST,
        _ => matches!(*request.method(), Method::GET | Method::HEAD),
    };
    if !is_allowed {
        return not_allowed(place.methods());
    }
    if place.wish() == Wish::Change
        && let Some(refusal) = hosts::foreign_origin(request.headers())
    {
        return refusal;
    }
    if let Some(refusal) = gate.refusal(place.wish(), request.headers()) {
        return refusal;
    }
    match answer(request, &place, shown).await {
        Ok(page) => page,
        Err(wrong) => declined(StatusCode::BAD_REQUEST, wrong),
    }
}

async fn answer<B>(request: &Request<B>, place: &Place, shown: &Shown) -> Result<Page, String> {
    let (asked, query) = (request.headers(), request.uri().query());
    Ok(match place {
        Place::Home => plain(HOME),
        Place::Live => condition::live(asked, shown),
        Place::Ready => condition::ready(asked, shown),
        Place::Metrics => scrape(asked, &shown.metrics),
        Place::OpenApi => document(asked, OPENAPI),
        Place::Status => {
            let query = Query::parse(query, &["check", "status", "order", "limit"])?;
            match status(shown, &query) {
                Ok(parts) => json_parts(asked, parts),
                Err(_) => declined(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the answer cannot be written as JSON",
                ),
            }
        }
        Place::Check(id) => match detail(shown, id) {
            Some(detail) => json(asked, StatusCode::OK, &detail),
            None => declined(StatusCode::NOT_FOUND, format!("no check has the id `{id}`")),
        },
        Place::Connections => {
            let query = Query::parse(query, &["check", "limit"])?;
            let found = connections(shown, &query, SystemTime::now());
            json(asked, StatusCode::OK, &found)
        }
        Place::Reload => reload::reload(asked, shown).await,
    })
}
