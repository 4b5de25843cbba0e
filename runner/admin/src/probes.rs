//! The health probes `/livez` and `/readyz`, evaluated for each request.

use http::{HeaderMap, StatusCode};

use super::handler::ApiRequest;
use super::response::{Response, json};
use canary_run::report::admin_api::{HealthProblem, HealthStatus};
use canary_watch::health::{HealthIssue, HealthReport};

/// Liveness: fails only for problems that require a restart, and lists no others.
pub(super) fn get_livez(request: ApiRequest<'_>) -> Result<Response, String> {
    let report = (request.state.health)();
    let fatal = report.issues.iter().filter(|issue| issue.is_fatal());
    let health = HealthStatus::new(fatal.map(problem).collect());
    Ok(response(request.headers, &health))
}

/// Readiness: fails for any problem.
pub(super) fn get_readyz(request: ApiRequest<'_>) -> Result<Response, String> {
    let health = HealthStatus::new(problems(&(request.state.health)()));
    Ok(response(request.headers, &health))
}

fn response(request_headers: &HeaderMap, health: &HealthStatus) -> Response {
    let status = if health.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(request_headers, status, health)
}

/// All current problems, in the form of the API.
pub(super) fn problems(report: &HealthReport) -> Vec<HealthProblem> {
    report.issues.iter().map(problem).collect()
}

fn problem(complaint: &HealthIssue) -> HealthProblem {
    HealthProblem {
        what: complaint.code().to_owned(),
        message: complaint.to_string(),
        checks: complaint.checks().iter().map(ToString::to_string).collect(),
    }
}
