//! Time slices for judging several addresses.
//!
//! An address must not fail because of the time that another one takes, or because of its position in the list. If
//! all are judged at once, each has all of the time. Otherwise a first round is short, so that a slow address costs
//! the others little, and what exceeded its share is judged again with the time that is left.

use std::net::IpAddr;
use std::time::Duration;

use super::AddressScope;
use crate::error::{Error, ErrorCode};
use crate::verdict::Verdict;

/// Divisor of an equal share for the first attempt, if there can be a second one.
const QUICK_DIVISOR: u32 = 4;
/// A second attempt is made if its share is at least this many times longer.
const LONGER: u32 = 5;
const QUARTERS: u32 = 4;
/// The precision with which an operation ends at its time limit.
const PRECISION: Duration = Duration::from_millis(5);

/// How addresses are judged.
pub(super) struct Rounds {
    /// Maximum concurrency; at least 1.
    pub(super) at_once: usize,
    /// Connections that are left of the run's quota.
    pub(super) connections: usize,
}

/// The time limit of the attempts in a round.
#[derive(Debug, Clone, Copy)]
enum Time {
    /// All run at once and have all of the time.
    All,
    /// So much for each.
    Quick(Duration),
    /// For each an equal share of what is left; what one does not use goes to those after it.
    Shared,
}

/// The result of judging an address once.
pub(super) struct Attempt {
    pub(super) address: IpAddr,
    pub(super) verdict: Verdict,
    /// Its time limit, if that was not all of the time.
    pub(super) share: Option<Duration>,
    /// Whether it failed because of that limit.
    timed_out: bool,
}

impl Rounds {
    /// Judges each address, some of them twice; in the order in which they are given.
    pub(super) fn run(
        &self,
        addresses: &[IpAddr],
        left: impl Fn() -> Duration,
        mut judge: impl FnMut(&[AddressScope]) -> Result<Vec<Verdict>, Error>,
    ) -> Result<Vec<Attempt>, Error> {
        let mut connected = addresses.len();
        let time = match (self.groups(connected), 2 * connected <= self.connections) {
            (0 | 1, _) => Time::All,
            (groups, true) => Time::Quick(left() / groups.saturating_mul(QUICK_DIVISOR)),
            (_, false) => Time::Shared,
        };
        let mut attempts = self.round(addresses, time, &left, &mut judge)?;
        loop {
            let timed_out = attempts.iter_mut().filter(|attempt| attempt.timed_out);
            let (again, had): (Vec<_>, Vec<_>) =
                timed_out.map(|attempt| (attempt.address, attempt.share)).unzip();
            connected += again.len();
            let share = left().checked_div(self.groups(again.len())).unwrap_or_default();
            let had = had.into_iter().flatten().max().unwrap_or_default();
            if again.is_empty() || connected > self.connections || share * QUARTERS < had * LONGER {
                return Ok(attempts);
            }
            let others = self.round(&again, Time::Shared, &left, &mut judge)?;
            let timed_out = attempts.iter_mut().filter(|attempt| attempt.timed_out);
            for (attempt, other) in timed_out.zip(others) {
                attempt.replace(other);
            }
        }
    }

    /// Judges each address once.
    fn round(
        &self,
        addresses: &[IpAddr],
        time: Time,
        left: &impl Fn() -> Duration,
        judge: &mut impl FnMut(&[AddressScope]) -> Result<Vec<Verdict>, Error>,
    ) -> Result<Vec<Attempt>, Error> {
        let (mut attempts, mut groups) = (Vec::new(), self.groups(addresses.len()));
        for group in addresses.chunks(self.at_once) {
            let before = left();
            let share = match time {
                Time::All => None,
                Time::Quick(share) => Some(share),
                Time::Shared => before.checked_div(groups),
            };
            let scopes = group.iter().map(|address| AddressScope {
                address: Some(*address),
                time: share,
            });
            let verdicts = judge(&scopes.collect::<Vec<_>>())?;
            let took = before.saturating_sub(left()) + PRECISION;
            let results = group.iter().zip(verdicts);
            attempts.extend(results.map(|(address, verdict)| Attempt {
                address: *address,
                timed_out: has_reason(&verdict, &ErrorCode::Timeout)
                    && share.is_some_and(|share| took >= share),
                verdict,
                share,
            }));
            groups -= 1;
        }
        Ok(attempts)
    }

    fn groups(&self, addresses: usize) -> u32 {
        u32::try_from(addresses.div_ceil(self.at_once)).unwrap_or(u32::MAX)
    }
}

impl Attempt {
    /// Adopts the result of a second attempt. If no quota was left for that, the first result stands.
    fn replace(&mut self, other: Self) {
        if has_reason(&other.verdict, &ErrorCode::Quota) {
            self.timed_out = false;
        } else {
            *self = other;
        }
    }
}

fn has_reason(verdict: &Verdict, reason: &ErrorCode) -> bool {
    verdict.attribute("error.reason") == Some(reason.as_str())
}
