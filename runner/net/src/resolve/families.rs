//! Queries both address families of a name, one of which may never be answered.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_proto::op::ResponseCode;
use tokio::time::timeout;

use crate::NetError;

/// How long to wait for IPv6 addresses after IPv4 was answered (RFC 8305, section 3).
const V6_DELAY: Duration = Duration::from_millis(50);
/// How long to wait for IPv4 addresses after IPv6 was answered. Longer, because more machines lack IPv6 connectivity.
const V4_DELAY: Duration = Duration::from_secs(1);

/// How complete a lookup has to be, which determines how long it waits for one family after the other has addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LookupMode {
    /// For a connect, which needs one address: 50 ms for IPv6, one second for IPv4.
    #[default]
    FirstUsable,
    /// For a complete list: one second each.
    Complete,
}

impl LookupMode {
    fn v6_wait(self) -> Duration {
        match self {
            Self::FirstUsable => V6_DELAY,
            Self::Complete => V4_DELAY,
        }
    }
}

/// A name server's answer for one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The addresses, possibly none.
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// The server failed with this code.
    Failed(ResponseCode),
}

/// The result for one family.
pub(super) type FamilyResult = Result<Found, NetError>;

/// Queries both families. `None` for one that was not answered soon after the other had a usable answer.
pub(super) async fn query_both(
    v6: impl Future<Output = FamilyResult>,
    v4: impl Future<Output = FamilyResult>,
    mode: LookupMode,
) -> (Option<FamilyResult>, Option<FamilyResult>) {
    match select(pin!(v6), pin!(v4)).await {
        Either::Left((v6, v4)) => {
            let v4 = match &v6 {
                Ok(Found::Addresses(found)) if !found.is_empty() => timeout(V4_DELAY, v4).await.ok(),
                _ => Some(v4.await),
            };
            (Some(v6), v4)
        }
        Either::Right((v4, v6)) => {
            let v6 = match &v4 {
                Ok(Found::Addresses(found)) if found.is_empty() => Some(v6.await),
                Ok(Found::Addresses(_) | Found::NoSuchName) => timeout(mode.v6_wait(), v6).await.ok(),
                Ok(Found::Failed(_)) | Err(_) => Some(v6.await),
            };
            (v6, Some(v4))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::time::{Instant, sleep};

    use super::LookupMode::{Complete, FirstUsable};
    use super::*;

    fn four() -> FamilyResult {
        Ok(Found::Addresses(vec![Ipv4Addr::LOCALHOST.into()]))
    }

    fn six() -> FamilyResult {
        Ok(Found::Addresses(vec![Ipv6Addr::LOCALHOST.into()]))
    }

    fn none() -> FamilyResult {
        Ok(Found::Addresses(Vec::new()))
    }

    async fn later(delay: Duration, asked: FamilyResult) -> FamilyResult {
        sleep(delay).await;
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_without_an_answer_holds_up_no_addresses_of_the_other() {
        let begun = Instant::now();
        assert_eq!(
            query_both(pending(), ready(four()), FirstUsable).await,
            (None, Some(four()))
        );
        assert_eq!(
            query_both(pending(), ready(Ok(Found::NoSuchName)), FirstUsable)
                .await
                .0,
            None
        );
        assert_eq!(begun.elapsed(), 2 * V6_DELAY);
        assert_eq!(
            query_both(ready(six()), pending(), FirstUsable).await,
            (Some(six()), None)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_soon_after_the_other_counts() {
        let soon = V6_DELAY / 2;
        assert_eq!(
            query_both(later(soon, six()), ready(four()), FirstUsable).await,
            (Some(six()), Some(four()))
        );
        assert_eq!(
            query_both(ready(six()), later(soon, four()), FirstUsable).await,
            (Some(six()), Some(four()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_lookup_waits_longer() {
        let late = 2 * V6_DELAY;
        assert_eq!(
            query_both(later(late, six()), ready(four()), Complete).await,
            (Some(six()), Some(four()))
        );
        let begun = Instant::now();
        assert_eq!(
            query_both(pending(), ready(four()), Complete).await,
            (None, Some(four()))
        );
        assert_eq!(begun.elapsed(), V4_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_family_has_no_addresses_the_other_is_waited_for() {
        let late = 2 * V4_DELAY;
        assert_eq!(
            query_both(later(late, six()), ready(none()), FirstUsable).await,
            (Some(six()), Some(none()))
        );
        assert_eq!(
            query_both(ready(none()), later(late, four()), FirstUsable).await,
            (Some(none()), Some(four()))
        );
    }
}
