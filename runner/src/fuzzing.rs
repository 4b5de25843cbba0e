//! What the fuzz targets of `tests/fuzz` reach of the parsers inside: thin functions, each beside what it calls.

pub use canary_admin::fuzzing as admin;
pub use canary_alert::queue_fuzzing as notifications;
pub use canary_alert::smtp_fuzzing as mail;
pub use canary_net::dns::fuzzing as dns;
pub use canary_net::http::fuzzing as digest;
pub use canary_net::tls::fuzzing as tls;
pub use canary_sandbox::fuzzing as contract;
pub use canary_suite::fuzzing as suite;
pub use canary_telemetry::delivery::fuzzing as journal;
