//! The two questions for the addresses of a name, of which one may never be answered.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_proto::op::ResponseCode;
use tokio::time::timeout;

use crate::net::NetError;

/// How long IPv6 addresses are waited for once it is known what IPv4 has (RFC 8305, section 3).
const V6_DELAY: Duration = Duration::from_millis(50);
/// How long IPv4 addresses are waited for once IPv6 addresses are there. Longer, as more machines have no way to those.
const V4_DELAY: Duration = Duration::from_secs(1);

/// How long one family is waited for once addresses of the other are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// For a connect, which needs one address: IPv6 has 50 ms, IPv4 a second.
    #[default]
    Short,
    /// For all addresses there are: a second each.
    Long,
}

impl Patience {
    fn with_v6(self) -> Duration {
        match self {
            Self::Short => V6_DELAY,
            Self::Long => V4_DELAY,
        }
    }
}

/// What a name server says of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// May be none.
    Addresses(Vec<IpAddr>),
    NoSuchName,
    /// The server has no answer.
    Failed(ResponseCode),
}

/// What came of one family's question.
pub(super) type Asked = Result<Found, NetError>;

/// Asks for both families. `None` for one that had no answer soon after the other had one to go on with.
pub(super) async fn both(
    v6: impl Future<Output = Asked>,
    v4: impl Future<Output = Asked>,
    patience: Patience,
) -> (Option<Asked>, Option<Asked>) {
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
                Ok(Found::Addresses(_) | Found::NoSuchName) => timeout(patience.with_v6(), v6).await.ok(),
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

    use super::Patience::{Long, Short};
    use super::*;

    fn four() -> Asked {
        Ok(Found::Addresses(vec![Ipv4Addr::LOCALHOST.into()]))
    }

    fn six() -> Asked {
        Ok(Found::Addresses(vec![Ipv6Addr::LOCALHOST.into()]))
    }

    fn none() -> Asked {
        Ok(Found::Addresses(Vec::new()))
    }

    async fn later(delay: Duration, asked: Asked) -> Asked {
        sleep(delay).await;
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_without_an_answer_holds_up_no_addresses_of_the_other() {
        let begun = Instant::now();
        assert_eq!(both(pending(), ready(four()), Short).await, (None, Some(four())));
        assert_eq!(both(pending(), ready(Ok(Found::NoSuchName)), Short).await.0, None);
        assert_eq!(begun.elapsed(), 2 * V6_DELAY);
        assert_eq!(both(ready(six()), pending(), Short).await, (Some(six()), None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_soon_after_the_other_counts() {
        let soon = V6_DELAY / 2;
        assert_eq!(
            both(later(soon, six()), ready(four()), Short).await,
            (Some(six()), Some(four()))
        );
        assert_eq!(
            both(ready(six()), later(soon, four()), Short).await,
            (Some(six()), Some(four()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_all_addresses_waits_longer() {
        let late = 2 * V6_DELAY;
        assert_eq!(
            both(later(late, six()), ready(four()), Long).await,
            (Some(six()), Some(four()))
        );
        let begun = Instant::now();
        assert_eq!(both(pending(), ready(four()), Long).await, (None, Some(four())));
        assert_eq!(begun.elapsed(), V4_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn where_one_family_has_no_addresses_the_other_is_waited_for() {
        let late = 2 * V4_DELAY;
        assert_eq!(
            both(later(late, six()), ready(none()), Short).await,
            (Some(six()), Some(none()))
        );
        assert_eq!(
            both(ready(none()), later(late, four()), Short).await,
            (Some(none()), Some(four()))
        );
    }
}
