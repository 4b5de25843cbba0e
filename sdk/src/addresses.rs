//! Checking one address of a name, or each of them.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::dns::{AddressList, AddressOptions};
use crate::endpoint::Endpoint;
use crate::error::{Error, NetError};
use crate::http::{Request, Response, send_all};
use crate::stopwatch::Stopwatch;
use crate::tcp::{ConnectOptions, Connection, IpFamily};
use crate::verdict::Verdict;

mod combined;
mod rounds;

use combined::Combined;
use rounds::Rounds;

/// Maximum number of addresses of one name that are checked.
const MAX_CHECKED: usize = 16;

/// Which addresses of the target's name to check, as a suite writes it: `one` or `all`.
///
/// ```no_run
/// # fn run(check: &canary_sdk::Check<canary_sdk::NoConfig>) -> Result<canary_sdk::Verdict, canary_sdk::Error> {
/// use canary_sdk::tcp::{ConnectOptions, IpFamily};
/// use canary_sdk::{Addresses, Verdict};
///
/// let endpoint = check.endpoint()?;
/// let place = || Ok(endpoint.clone());
/// Addresses::All.judge(check, IpFamily::Any, place, |scope| {
///     let connection = scope.connect(ConnectOptions::default(), &endpoint)?;
///     Ok(Verdict::pass(connection.info().peer))
/// })
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// Whichever answers.
    #[default]
    One,
    /// Each of them, 16 at most, with an assertion of its own.
    All,
}

/// The limits of judging the target once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AddressScope {
    /// The only address to use; `None` is any that answers.
    pub address: Option<IpAddr>,
    /// How long it may take, so that the other addresses have their share; `None` is what is left of the run.
    pub time: Option<Duration>,
}

impl AddressScope {
    /// Connects within the scope, and limits the connection to the scope's time.
    pub fn connect(&self, options: ConnectOptions, to: &Endpoint) -> Result<Connection, NetError> {
        let stopwatch = Stopwatch::start();
        let connection = ConnectOptions {
            address: self.address.or(options.address),
            timeout: self.timeout(options.timeout),
            ..options
        }
        .connect(to)?;
        if let Some(time) = self.time {
            connection.set_deadline(Some(time.saturating_sub(stopwatch.elapsed())));
        }
        Ok(connection)
    }

    /// Limits a request to the scope.
    pub fn request(&self, mut request: Request) -> Request {
        let options = &mut request.options;
        options.address = self.address.or(options.address);
        options.timeout = self.timeout(options.timeout);
        request
    }

    fn timeout(&self, other: Option<Duration>) -> Option<Duration> {
        self.time.into_iter().chain(other).min()
    }
}

impl Addresses {
    /// Judges the target as a whole, or each address of `place` in turn. An address that exceeds its share of the
    /// time is judged again with what the others leave. The verdict is then that of the worst address, or of the best
    /// if the target is expected to fail.
    ///
    /// # Errors
    /// Those of `place` and `judge`, and of resolving the name; a network error at one address of several is that
    /// address's failure.
    pub fn judge<C>(
        self,
        check: &Check<C>,
        family: IpFamily,
        place: impl FnOnce() -> Result<Endpoint, NetError>,
        mut judge: impl FnMut(AddressScope) -> Result<Verdict, Error>,
    ) -> Result<Verdict, Error> {
        match self {
            Self::One => judge(AddressScope::default()),
            Self::All => {
                let place = place()?;
                judge_all(check, family, &place, 1, |scopes| {
                    let verdicts = scopes.iter().map(|scope| of_address(judge(*scope)));
                    verdicts.collect()
                })
            }
        }
    }

    /// Sends a request and judges the response; or sends it to each address of the endpoint that it leads to,
    /// `at_once` concurrently, or as many as the check may have sockets if those are fewer, and judges each response.
    /// The verdict is then as that of [`Addresses::judge`].
    ///
    /// `prepare` receives each request before it is sent, and may return a verdict instead. Each response is dropped
    /// before the next one is judged.
    ///
    /// # Errors
    /// As of [`Addresses::judge`].
    pub fn judge_answers<C>(
        self,
        check: &Check<C>,
        request: Request,
        at_once: usize,
        mut prepare: impl FnMut(&Request) -> Result<(), Verdict>,
        mut judge: impl FnMut(Result<Response, NetError>) -> Result<Verdict, Error>,
    ) -> Result<Verdict, Error> {
        match self {
            Self::One => match prepare(&request) {
                Ok(()) => judge(request.send()),
                Err(verdict) => Ok(verdict),
            },
            Self::All => {
                let place = request.endpoint()?;
                let sockets = usize::try_from(check.quotas.sockets).unwrap_or(usize::MAX);
                let at_once = at_once.min(sockets).max(1);
                judge_all(check, request.options.ip_family, &place, at_once, |scopes| {
                    let requests = scopes.iter().map(|scope| scope.request(request.clone()));
                    answers(requests.collect(), &mut prepare, &mut judge)
                })
            }
        }
    }
}

/// Sends the prepared requests concurrently, and judges the responses.
fn answers(
    requests: Vec<Request>,
    prepare: &mut impl FnMut(&Request) -> Result<(), Verdict>,
    judge: &mut impl FnMut(Result<Response, NetError>) -> Result<Verdict, Error>,
) -> Result<Vec<Verdict>, Error> {
    let mut out = Vec::new();
    let mut unsent = Vec::new();
    for request in requests {
        let prepared = prepare(&request);
        if prepared.is_ok() {
            out.push(request);
        }
        unsent.push(prepared.err());
    }
    let mut answers = send_all(out).into_iter();
    let verdicts = unsent.into_iter().map(|unsent| match unsent {
        Some(verdict) => Ok(verdict),
        None => answers.next().map_or_else(
            || Err(Error::plugin("a request has no answer")),
            |answer| of_address(judge(answer)),
        ),
    });
    verdicts.collect()
}

/// A network error at one address of several is that address's failure.
fn of_address(judged: Result<Verdict, Error>) -> Result<Verdict, Error> {
    match judged {
        Err(Error::Net(error)) => Ok(Verdict::from(&error)),
        other => other,
    }
}

/// Judges the addresses of an endpoint, so many at once.
fn judge_all<C>(
    check: &Check<C>,
    family: IpFamily,
    place: &Endpoint,
    at_once: usize,
    judge: impl FnMut(&[AddressScope]) -> Result<Vec<Verdict>, Error>,
) -> Result<Verdict, Error> {
    let found = AddressOptions::default().ip_family(family).addresses(place)?;
    let checked = found.addresses.get(..MAX_CHECKED).unwrap_or(&found.addresses);
    let rounds = Rounds {
        at_once,
        connections: usize::try_from(check.quotas.connections).unwrap_or(usize::MAX),
    };
    let left = || check.remaining();
    let mut combined = Combined::default();
    for attempt in rounds.run(checked, left, judge)? {
        combined.add(attempt.address, attempt.verdict, attempt.share);
    }
    note_unchecked(&found, &mut combined);
    Ok(combined.verdict(check.expect_failure))
}

/// Records addresses that were not checked.
fn note_unchecked(found: &AddressList, combined: &mut Combined) {
    if !found.complete {
        combined.leave_out(
            "the list may be incomplete, since name servers did not answer for IPv4 or IPv6; set `ip_family` to query only one of them"
                .to_owned(),
        );
    }
    let more = found.addresses.len().saturating_sub(MAX_CHECKED);
    if more > 0 {
        combined.leave_out(format!(
            "{more} more were not checked; the limit is {MAX_CHECKED}"
        ));
    }
}

#[cfg(test)]
mod tests;
