//! What everything that the runner itself sends has in common: notifications, exports and pings.
//!
//! Each of them keeps its own queue and its own texts. What a response means for it is decided here, so that the
//! differences stand side by side, and so is which of its failures and losses are reported. How waits grow is in
//! [`canary_system::backoff`]. Nothing here knows checks, or what is in a payload.

pub mod alert_report;
mod disposition;
pub mod http_client;
mod notice_limiter;
mod response_code;
mod retry_after;

pub use disposition::{Disposition, Payload, classify, classify_failure, success_error};
pub use notice_limiter::{NoticeLimiter, NoticePolicy};
pub use response_code::{http_code, response_code};
pub use retry_after::retry_after;
#[cfg(any(test, feature = "test-util"))]
pub use retry_after::retry_after_headers;
