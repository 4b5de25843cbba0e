//! When each address has its turn, and how long that may take.
//!
//! An address is not to fail for the time that another one takes, nor for its place in the list. Where all have their turn
//! at once, each has all of the time. Otherwise a first round is quick, so that one which needs longer costs the others
//! little, and what ran out of its share has another turn with what is left then.

use std::net::IpAddr;
use std::time::Duration;

use super::AddressScope;
use crate::error::{Error, ErrorCode};
use crate::verdict::Verdict;

/// The part of an equal share, as its divisor, that a first turn takes where there can be another one.
const QUICK: u32 = 4;
/// Another turn is worth it where it is at least as much longer.
const LONGER: u32 = 5;
const QUARTERS: u32 = 4;
/// How exactly an operation ends with its time.
const PRECISION: Duration = Duration::from_millis(5);

/// How addresses may be judged.
pub(super) struct Rounds {
    /// How many at once; at least 1.
    pub(super) at_once: usize,
    /// Over the run.
    pub(super) connections: usize,
}

/// How long the turns of a round may take.
#[derive(Debug, Clone, Copy)]
enum Time {
    /// They are all at once, and have all of the time.
    All,
    /// So long each.
    Quick(Duration),
    /// An equal share of what is left each; what one does not need goes to those behind it.
    Shared,
}

/// An address that had its turn.
pub(super) struct Turn {
    pub(super) address: IpAddr,
    pub(super) verdict: Verdict,
    /// How long it could take, where that was not all of the time.
    pub(super) share: Option<Duration>,
    /// Whether it failed because that was over.
    ran_out: bool,
}

impl Rounds {
    /// Judges each address, some of them again; in the order in which they come.
    pub(super) fn judge(
        &self,
        addresses: &[IpAddr],
        left: impl Fn() -> Duration,
        mut judge: impl FnMut(&[AddressScope]) -> Result<Vec<Verdict>, Error>,
    ) -> Result<Vec<Turn>, Error> {
        let mut connected = addresses.len();
        let time = match (self.groups(connected), 2 * connected <= self.connections) {
            (0 | 1, _) => Time::All,
            (groups, true) => Time::Quick(left() / groups.saturating_mul(QUICK)),
            (_, false) => Time::Shared,
        };
        let mut turns = self.round(addresses, time, &left, &mut judge)?;
        loop {
            let ran_out = turns.iter_mut().filter(|turn| turn.ran_out);
            let (again, had): (Vec<_>, Vec<_>) = ran_out.map(|turn| (turn.address, turn.share)).unzip();
            connected += again.len();
            let share = left().checked_div(self.groups(again.len())).unwrap_or_default();
            let had = had.into_iter().flatten().max().unwrap_or_default();
            if again.is_empty() || connected > self.connections || share * QUARTERS < had * LONGER {
                return Ok(turns);
            }
            let others = self.round(&again, Time::Shared, &left, &mut judge)?;
            let ran_out = turns.iter_mut().filter(|turn| turn.ran_out);
            for (turn, other) in ran_out.zip(others) {
                turn.replace(other);
            }
        }
    }

    /// Each address has its turn.
    fn round(
        &self,
        addresses: &[IpAddr],
        time: Time,
        left: &impl Fn() -> Duration,
        judge: &mut impl FnMut(&[AddressScope]) -> Result<Vec<Verdict>, Error>,
    ) -> Result<Vec<Turn>, Error> {
        let (mut turns, mut groups) = (Vec::new(), self.groups(addresses.len()));
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
            let judged = group.iter().zip(verdicts);
            turns.extend(judged.map(|(address, verdict)| Turn {
                address: *address,
                ran_out: has_reason(&verdict, &ErrorCode::Timeout)
                    && share.is_some_and(|share| took >= share),
                verdict,
                share,
            }));
            groups -= 1;
        }
        Ok(turns)
    }

    fn groups(&self, addresses: usize) -> u32 {
        u32::try_from(addresses.div_ceil(self.at_once)).unwrap_or(u32::MAX)
    }
}

impl Turn {
    /// The address had another turn. Where no quota was left for that, its first one stands.
    fn replace(&mut self, other: Self) {
        match has_reason(&other.verdict, &ErrorCode::Quota) {
            true => self.ran_out = false,
            false => *self = other,
        }
    }
}

fn has_reason(verdict: &Verdict, reason: &ErrorCode) -> bool {
    verdict.attribute("error.reason") == Some(reason.as_str())
}
