//! Secrets that a probe learns during a run, such as an access token.
//!
//! Secrets of the configuration need nothing: the host knows them by [`Probe::SECRETS`](crate::Probe::SECRETS) and by
//! the references of a suite.
//!
//! ```no_run
//! # fn main() -> Result<(), canary_sdk::Error> {
//! use canary_sdk::http::Request;
//! use canary_sdk::secrets;
//!
//! let answer = Request::post("https://example.com/login", "user=canary").send()?;
//! let token = answer.text().into_owned();
//! secrets::mask(&token)?; // before it can occur in a text
//! # Ok(()) }
//! ```

use crate::backend;
use crate::error::NetError;

/// Masks a value in all texts of this run that are recorded from now on, and in the conversation that `canary probe`
/// shows, in any encoding. A redirect does not take it to another origin. At most 16 values, and 16 KiB of them.
///
/// # Errors
/// [`ErrorCode::Invalid`](crate::ErrorCode::Invalid) beyond these limits: do not use the value then.
pub fn mask(value: &str) -> Result<(), NetError> {
    backend::mask(value)
}
