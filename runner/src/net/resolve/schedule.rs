//! Which question goes out when.
//!
//! A question that is asked has one of few places, and leaves it when the answer is there, or soon after: what has no
//! answer by then waits on among its like, where there are many places. So silent servers and zones take no place of
//! those that answer. Neither how a question is asked nor what its answer means matters here.
//!
//! Where places are short they go to the check that has used them least lately; the time of a question that is answered
//! counts an eighth. A question without an answer keeps its place only until one waits whose check has used less than half
//! as much; it gives it back within 100 ms. So a check whose names are answered waits for 100 ms at most once others have
//! used more than it has, however many checks, zones and servers are silent. Checks of which nothing is known yet come as they ask.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::flight::Progress;
use crate::ledger::Ledger;
use crate::net::NetError;
use crate::pool::{Busy, Claim, Limits, Place, Pool};
use crate::suite::CheckId;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_millis(500);
/// What answers within this time is never among the silent.
const FRESH: Duration = Duration::from_millis(50);
/// Where there is no place among the silent, a question keeps its own for this long, or until it has to give way.
const GRACE: Duration = Duration::from_millis(450);
/// Questions of one zone that may wait for an answer before the zone counts as silent.
const SILENT: u64 = 8;
/// New questions at once to a zone that is silent: a sixteenth of all.
const PROBES: u64 = 16;

/// Whose question it is, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Party {
    /// The zone that the name is in, or the server that a check chose: what may be silent.
    pub(super) zone: Arc<str>,
    /// The check that asked first.
    pub(super) check: CheckId,
}

/// Places for questions.
#[derive(Debug)]
pub(super) struct Schedule {
    fresh: Pool,
    silent: Pool,
}

impl Schedule {
    /// Places within what `ledger` lends: an eighth of it for new questions, 256 at most; a quarter for those that
    /// wait for an answer, 1,024 at most. Half of either are for one zone.
    pub(super) fn new(ledger: &Ledger) -> Self {
        let lent = ledger.capacity();
        let (fresh, silent) = ((lent / 8).clamp(8, 256), (lent / 4).clamp(16, 1_024));
        let pool = |name, capacity| Pool::by_use(name, Limits::shared(capacity, capacity / 2));
        let schedule = Self {
            fresh: pool("dns", fresh),
            silent: pool("dns_unanswered", silent),
        };
        ledger.pools().add(&schedule.fresh);
        ledger.pools().add(&schedule.silent);
        schedule
    }

    /// Has one question asked. The answer, or nothing when none came within `limit`.
    ///
    /// Cancellation: gives back the place, and drops `exchange`.
    ///
    /// # Errors
    /// `DnsBusy` where there is no place, or what `exchange` says.
    pub(super) async fn ask<T>(
        &self,
        party: &Party,
        limit: Duration,
        progress: &Progress,
        exchange: impl Future<Output = Result<T, NetError>>,
    ) -> Result<Option<T>, NetError> {
        let place = self.turn(party).await?;
        progress.begin();
        let until = Instant::now() + limit;
        let mut exchange = std::pin::pin!(exchange);
        if let Ok(answer) = timeout(FRESH.min(limit), &mut exchange).await {
            place.used_well();
            return answer.map(Some);
        }
        let moved = tokio::select! {
            biased;
            answer = &mut exchange => {
                place.used_well();
                return answer.map(Some);
            }
            moved = self.set_aside(party) => moved?,
        };
        drop(place);
        let answer = timeout_at(until, exchange).await;
        if answer.is_ok() {
            moved.used_well();
        }
        answer.ok().transpose()
    }

    async fn turn(&self, party: &Party) -> Result<Place, NetError> {
        let claim = claim(party);
        let claim = match self.silent.held_by(&party.zone) >= SILENT {
            true => claim.at_most((self.fresh.limits().capacity / PROBES).max(1)),
            false => claim,
        };
        let place = self.fresh.acquire(claim, Some(PATIENCE)).await;
        place.map_err(NetError::from)
    }

    async fn set_aside(&self, party: &Party) -> Result<Place, NetError> {
        if self.silent.has_share(&party.zone) {
            return Err(NetError::DnsBusy);
        }
        let place = self.silent.acquire(claim(party).optional(), Some(GRACE));
        let mut place = std::pin::pin!(place);
        loop {
            match timeout(FRESH, &mut place).await {
                Ok(place) => return place.map_err(NetError::from),
                Err(_) if self.fresh.should_give_way(&claim(party)) => return Err(NetError::DnsBusy),
                Err(_) => {}
            }
        }
    }
}

fn claim(party: &Party) -> Claim {
    Claim::by(Arc::clone(&party.zone)).for_check(party.check.clone())
}

impl From<Busy> for NetError {
    fn from(_: Busy) -> Self {
        Self::DnsBusy
    }
}

/// The part of a name that is likely to be one owner's: its last two labels, or three where the one before the last is
/// as short as in `co.uk`.
pub(super) fn zone(name: &str) -> Arc<str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    let (last, before) = (
        labels.next().unwrap_or_default(),
        labels.next().unwrap_or_default(),
    );
    let third = labels.next().filter(|_| before.len() <= 3);
    let mut length = last.len() + 1 + before.len();
    if let Some(third) = third {
        length += 1 + third.len();
    }
    let start = name.len().saturating_sub(length);
    name.get(start..).unwrap_or(name).to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::ledger::Budget;

    /// 8 places for new questions and 16 for silent ones.
    fn schedule() -> Schedule {
        Schedule::new(&Ledger::new(Budget::new(64)))
    }

    /// Of a check that asks for names in this zone only.
    fn party(zone: &str) -> Party {
        Party {
            zone: zone.into(),
            check: CheckId::new(zone),
        }
    }

    /// So many checks, spread over two seconds, that each ask for four names in zones of their own at once, every two
    /// seconds, and never get an answer.
    async fn flood(schedule: &Schedule, checks: u32) {
        let each = Duration::from_secs(2) / checks;
        join_all((0..checks).map(|number| hostile(schedule, number, each * number))).await;
    }

    async fn hostile(schedule: &Schedule, number: u32, offset: Duration) {
        let never = std::future::pending::<Result<(), _>>;
        tokio::time::sleep(offset).await;
        loop {
            let ends = Instant::now() + Duration::from_secs(2);
            let parties = (0..4).map(|question| Party {
                zone: format!("z{number}x{question}.test").into(),
                check: CheckId::new(&format!("hostile{number}")),
            });
            let parties: Vec<_> = parties.collect();
            let (progress, limit) = (Progress::default(), Duration::from_millis(1_900));
            let asked = parties
                .iter()
                .map(|party| schedule.ask(party, limit, &progress, never()));
            join_all(asked).await;
            tokio::time::sleep_until(ends).await;
        }
    }

    async fn silent(schedule: &Schedule, zone: &str) -> Result<Option<()>, NetError> {
        let never = std::future::pending();
        let progress = Progress::default();
        schedule
            .ask(&party(zone), Duration::from_secs(5), &progress, never)
            .await
    }

    async fn answers(schedule: &Schedule, zone: &str) -> Duration {
        let asked = Instant::now();
        let answer = async { Ok(()) };
        let progress = Progress::default();
        let answer = schedule
            .ask(&party(zone), Duration::from_secs(5), &progress, answer)
            .await;
        assert_eq!(answer, Ok(Some(())));
        asked.elapsed()
    }

    #[test]
    fn a_zone_is_the_last_labels_of_a_name() {
        let zones = [
            "a.b.example.com.",
            "Example.COM",
            "a.b.co.uk",
            "localhost",
            "co.uk",
            "",
        ];
        let zones = zones.map(|name| zone(name).to_string());
        assert_eq!(
            zones,
            ["example.com", "example.com", "b.co.uk", "localhost", "co.uk", ""]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up_at_its_limit() {
        let (schedule, asked) = (schedule(), Instant::now());
        assert_eq!(silent(&schedule, "a.test").await, Ok(None));
        assert_eq!(asked.elapsed(), Duration::from_secs(5));
        assert_eq!((schedule.fresh.used(), schedule.silent.used()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_questions_to_a_silent_zone_delay_no_other_zone() {
        let schedule = schedule();
        let mut flood = Box::pin(join_all((0..100).map(|_| silent(&schedule, "silent.test"))));
        for _ in 0..20 {
            assert!(flood.as_mut().now_or_never().is_none());
            assert!(answers(&schedule, "good.test").await <= FRESH);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let ended = flood.await;
        assert!(ended.contains(&Ok(None)) && ended.contains(&Err(NetError::DnsBusy)));
        assert_eq!((schedule.fresh.used(), schedule.silent.used()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_an_answer_holds_no_place_of_those_that_are_new() {
        let schedule = schedule();
        let zones: Vec<String> = (0..8).map(|number| format!("silent{number}.test")).collect();
        let mut flood = Box::pin(join_all(zones.iter().map(|zone| silent(&schedule, zone))));
        assert!(flood.as_mut().now_or_never().is_none());
        assert_eq!(schedule.fresh.used(), 8);
        tokio::time::advance(FRESH).await;
        assert!(flood.as_mut().now_or_never().is_none());
        assert_eq!((schedule.fresh.used(), schedule.silent.used()), (0, 8));
        assert_eq!(answers(&schedule, "good.test").await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_checks_ask_silent_zones_one_that_gets_answers_waits_for_a_moment() {
        let schedule = schedule();
        let good = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            for _ in 0..50 {
                let waits =
                    join_all(["a.good", "b.good", "c.good"].map(|zone| answers(&schedule, zone))).await;
                assert!(waits.iter().all(|wait| *wait <= 2 * FRESH), "{waits:?}");
                tokio::time::sleep(Duration::from_millis(130)).await;
            }
            assert_eq!(schedule.fresh.used(), 8, "places are short all the time");
        };
        tokio::select! {
            () = flood(&schedule, 200) => unreachable!("it never ends"),
            () = good => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_a_while_has_its_place_for_it_among_checks_that_get_none() {
        let schedule = schedule();
        let slow = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            for _ in 0..10 {
                let answer = async {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok(())
                };
                let (progress, limit) = (Progress::default(), Duration::from_secs(2));
                let answer = schedule.ask(&party("slow.good"), limit, &progress, answer).await;
                assert_eq!(answer, Ok(Some(())));
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            () = flood(&schedule, 60) => unreachable!("it never ends"),
            () = slow => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_turn_is_not_said_to_have_asked() {
        let schedule = schedule();
        let _full: Vec<_> = (0..8)
            .map(|number| schedule.fresh.try_acquire(Claim::by(number.to_string())).unwrap())
            .collect();
        let (progress, asked) = (Progress::default(), Instant::now());
        let never = std::future::pending::<Result<(), _>>();
        let answer = schedule.ask(&party("a.test"), PATIENCE, &progress, never).await;
        assert_eq!(answer, Err(NetError::DnsBusy));
        assert_eq!((asked.elapsed(), progress.has_begun()), (PATIENCE, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_dropped_gives_back_its_places() {
        let schedule = schedule();
        let mut asked = Box::pin(silent(&schedule, "a.test"));
        assert!(asked.as_mut().now_or_never().is_none());
        tokio::time::advance(FRESH).await;
        assert!(asked.as_mut().now_or_never().is_none());
        assert_eq!(schedule.silent.used(), 1);
        drop(asked);
        assert_eq!((schedule.fresh.used(), schedule.silent.used()), (0, 0));
    }
}
