//! What the fuzz targets of `tests/fuzz` reach of the parsers inside: thin functions, each beside what it calls.

pub use crate::admin::fuzzing as admin;
pub use crate::alert::queue_fuzzing as notifications;
pub use crate::alert::smtp_fuzzing as mail;
pub use crate::net::dns::fuzzing as dns;
pub use crate::net::http::fuzzing as digest;
pub use crate::net::tls::fuzzing as tls;
pub use crate::sandbox::fuzzing as contract;
pub use crate::suite::fuzzing as suite;
pub use crate::telemetry::delivery::fuzzing as journal;
