//! Names of modules in the log.

use std::borrow::Cow;

/// The name by which users know the module of an event's target: `canary::alert::router` for `canary_alert::router`.
/// The names of libraries' modules are unchanged.
///
/// The log and its filter use these names only, so that neither changes when a module moves to another crate.
#[must_use]
pub fn module_name(target: &str) -> Cow<'_, str> {
    let Some(path) = target.strip_prefix("canary_") else {
        return target.into();
    };
    let (part, inner) = path.split_once("::").unwrap_or((path, ""));
    let module = inner.split("::").next().unwrap_or_default();
    let known = if omits_crate(part, module) { inner } else { path };
    format!("canary::{known}").into()
}

/// Whether the name of this module is without that of its crate `canary_PART`. A crate's root has no module.
fn omits_crate(part: &str, module: &str) -> bool {
    match part {
        "net" => matches!(module, "ledger" | "pool"),
        "record" => matches!(module, "quota" | "redact" | "trace"),
        "sandbox" => matches!(module, "dispatch" | "plugin"),
        "suite" => matches!(module, "grant" | "problem"),
        "run" | "system" => !module.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_has_one_name_whichever_crate_it_is_in() {
        for (target, name) in [
            ("canary", "canary"),
            ("canary::app::bootstrap", "canary::app::bootstrap"),
            ("canary_alert", "canary::alert"),
            ("canary_alert::router", "canary::alert::router"),
            ("canary_console::logging", "canary::console::logging"),
            (
                "canary_outbound::http_client::tls_files",
                "canary::outbound::http_client::tls_files",
            ),
            ("canary_settings::section", "canary::settings::section"),
            ("canary_state::writer", "canary::state::writer"),
            ("canary_telemetry::worker", "canary::telemetry::worker"),
            ("canary_net::tls", "canary::net::tls"),
            ("canary_net::ledger", "canary::ledger"),
            ("canary_net::ledger::page", "canary::ledger::page"),
            ("canary_net::pool", "canary::pool"),
            ("canary_net::pooled", "canary::net::pooled"),
            ("canary_record::text", "canary::record::text"),
            ("canary_record::quota", "canary::quota"),
            ("canary_record::redact::registry", "canary::redact::registry"),
            ("canary_record::trace", "canary::trace"),
            ("canary_sandbox::host", "canary::sandbox::host"),
            ("canary_sandbox::dispatch", "canary::dispatch"),
            ("canary_sandbox::plugin::loader", "canary::plugin::loader"),
            ("canary_suite::tree", "canary::suite::tree"),
            ("canary_suite::grant", "canary::grant"),
            ("canary_suite::problem", "canary::problem"),
            ("canary_run::publish", "canary::publish"),
            ("canary_system::signal::guard", "canary::signal::guard"),
            ("canary_system", "canary::system"),
            ("hyper::client", "hyper::client"),
            ("canaryfish::ledger", "canaryfish::ledger"),
        ] {
            assert_eq!(module_name(target), name, "{target}");
        }
    }
}
