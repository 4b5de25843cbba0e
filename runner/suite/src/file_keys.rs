//! The keys at the top level of a user's two kinds of files, which are easily confused.

/// The keys of a file of a suite. `vars` is read before the rest.
pub(super) const SUITE_KEYS: [&str; 7] = [
    "vars",
    "defaults",
    "profiles",
    "plugins",
    "groups",
    "maintenance",
    "checks",
];
/// The keys of the settings file of the runner.
pub const SETTINGS_KEYS: [&str; 9] = [
    "admin",
    "concurrency",
    "block_networks",
    "cache_dir",
    "state_dir",
    "suites",
    "telemetry",
    "alerts",
    "heartbeat",
];
