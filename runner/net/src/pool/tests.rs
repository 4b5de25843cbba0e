use futures_util::FutureExt as _;
use futures_util::future::join;

use tokio::time::Instant;

use super::*;
use canary_suite::CheckId;

const PATIENCE: Duration = Duration::from_millis(500);

fn pool(limits: Limits) -> Pool {
    Pool::new("test", limits)
}

fn take(pool: &Pool, holder: &str) -> PoolPermit {
    pool.try_acquire(Claim::new(holder)).unwrap()
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    future.now_or_never()
}

#[test]
fn a_dropped_permit_is_released() {
    let pool = pool(Limits::new(1));
    let permit = take(&pool, "a");
    let refused = pool.try_acquire(Claim::new("b")).unwrap_err();
    assert_eq!((pool.used(), refused), (1, Busy { pool: "test" }));
    drop(permit);
    assert_eq!((pool.used(), pool.held_by("a")), (0, 0));
    drop(take(&pool, "b"));
}

#[test]
fn no_holder_has_more_than_its_share() {
    let pool = pool(Limits {
        share: 2,
        ..Limits::new(10)
    });
    let _permits = [take(&pool, "greedy"), take(&pool, "greedy")];
    assert!(pool.try_acquire(Claim::new("greedy")).is_err());
    let _other = take(&pool, "other");
    assert!(pool.try_acquire(Claim::new("other").at_most(1)).is_err());
    assert_eq!(pool.snapshot().since_short, None, "there is room for all others");
}

#[test]
fn the_last_quarter_is_reserved_for_holders_of_nothing() {
    let pool = pool(Limits::shared(8, 8));
    let _greedy: Vec<_> = (0..6).map(|_| take(&pool, "greedy")).collect();
    assert!(pool.try_acquire(Claim::new("greedy")).is_err());
    let _others = [take(&pool, "modest"), take(&pool, "small")];
    assert_eq!(pool.used(), 8);
}

#[test]
fn the_host_comes_first_and_has_no_share() {
    let pool = pool(Limits::shared(4, 1));
    let claim = || Claim::for_host("dns");
    let _permits: Vec<_> = (0..4).map(|_| pool.try_acquire(claim()).unwrap()).collect();
    assert!(pool.try_acquire(claim()).is_err());
}

#[tokio::test]
async fn the_first_claim_of_one_comes_before_the_second_of_another() {
    let pool = pool(Limits::new(3));
    let (other, first, second) = (take(&pool, "other"), take(&pool, "greedy"), take(&pool, "greedy"));
    let mut again = Box::pin(pool.acquire(Claim::new("greedy"), None));
    assert!(again.as_mut().now_or_never().is_none());
    let mut modest = Box::pin(pool.acquire(Claim::new("modest"), None));
    assert!(modest.as_mut().now_or_never().is_none());
    drop(first);
    let _modest = modest.await.unwrap();
    assert!(again.as_mut().now_or_never().is_none());
    drop(second);
    drop((again.await.unwrap(), other));
}

#[tokio::test]
async fn a_claim_that_waits_for_its_share_blocks_no_other() {
    let pool = pool(Limits {
        share: 1,
        ..Limits::new(3)
    });
    let first = take(&pool, "greedy");
    let mut again = Box::pin(pool.acquire(Claim::new("greedy"), None));
    assert!(again.as_mut().now_or_never().is_none());
    drop(now(pool.acquire(Claim::new("other"), None)).unwrap().unwrap());
    drop(first);
    drop(again.await.unwrap());
}

#[tokio::test]
async fn a_large_claim_is_served_though_small_ones_keep_coming() {
    let pool = pool(Limits::new(3));
    let small = take(&pool, "small");
    let mut large = Box::pin(pool.acquire(Claim::new("large").units(3), None));
    assert!(large.as_mut().now_or_never().is_none());
    assert!(now(pool.acquire(Claim::new("late"), None)).is_none());
    drop(small);
    drop(large.await.unwrap());
    assert_eq!(pool.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_patience_does_and_is_a_shortage() {
    let pool = pool(Limits::new(1));
    let permit = pool.try_acquire(Claim::new("zone").for_check(CheckId::new("hog")));
    let began = Instant::now();
    let refused = pool.acquire(Claim::new("late"), Some(PATIENCE)).await;
    assert_eq!(refused.unwrap_err(), Busy { pool: "test" });
    assert_eq!(began.elapsed(), PATIENCE);
    let read = pool.snapshot();
    assert_eq!((read.waiting, read.waits, read.refused), (0, 1, 1));
    assert_eq!((read.waited, read.since_short), (PATIENCE, Some(Duration::ZERO)));
    assert_eq!(read.holders, [("hog".into(), 1)]);
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_second_is_a_shortage_before_it_is_given_up() {
    let pool = pool(Limits::new(1));
    let permit = take(&pool, "hog");
    let waits = pool.acquire(Claim::new("late"), None);
    let looks = async {
        assert_eq!(pool.snapshot().since_short, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        let read = pool.snapshot();
        assert_eq!((read.waiting, read.since_short), (1, Some(Duration::ZERO)));
        assert_eq!(read.holders, [("hog".into(), 1)]);
        drop(permit);
    };
    let (granted, ()) = join(waits, looks).await;
    drop(granted.unwrap());
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(pool.snapshot().since_short, Some(Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn no_claim_waits_for_what_only_its_own_holder_can_release() {
    let pool = pool(Limits::new(1));
    let _permit = take(&pool, "a");
    assert!(
        now(pool.acquire(Claim::new("a"), Some(PATIENCE)))
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn a_wait_that_is_given_up_leaves_nothing_and_frees_those_behind() {
    let pool = pool(Limits::new(2));
    let permit = take(&pool, "a");
    let mut large = Box::pin(pool.acquire(Claim::new("large").units(2), None));
    assert!(large.as_mut().now_or_never().is_none());
    let mut small = Box::pin(pool.acquire(Claim::new("small"), None));
    assert!(small.as_mut().now_or_never().is_none());
    drop(large);
    drop(small.await.unwrap());
    drop(permit);
    assert_eq!((pool.used(), pool.snapshot().waiting), (0, 0));
}

#[tokio::test]
async fn a_permit_that_was_granted_to_a_dropped_waiter_comes_back() {
    let pool = pool(Limits::new(1));
    let permit = take(&pool, "a");
    let mut waits = Box::pin(pool.acquire(Claim::new("b"), None));
    assert!(waits.as_mut().now_or_never().is_none());
    drop(permit);
    assert_eq!(pool.used(), 1, "it is on its way");
    drop(waits);
    assert_eq!(pool.used(), 0);
}

#[tokio::test]
async fn a_pool_that_grows_serves_waiting_claims() {
    let pool = pool(Limits::new(0));
    let other = Claim::new("b");
    pool.resize(Limits::new(1));
    let permit = take(&pool, "a");
    let mut waits = Box::pin(pool.acquire(other, None));
    assert!(waits.as_mut().now_or_never().is_none());
    pool.resize(Limits::new(2));
    drop(waits.await.unwrap());
    drop(permit);
}

fn fair_claim(plugin: &str, check: &str) -> Claim {
    Claim::new(check)
        .for_check(CheckId::new(check))
        .for_plugin(plugin.into())
}

/// Holds a unit for `claim` for so many seconds, unproductively.
async fn use_up(pool: &Pool, claim: Claim, seconds: u64) {
    let permit = pool.try_acquire(claim).unwrap();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn in_a_fair_pool_the_check_comes_first_that_has_used_least() {
    let pool = Pool::fair("test", Limits::new(1));
    use_up(&pool, fair_claim("p", "greedy"), 10).await;
    let permit = pool.try_acquire(fair_claim("p", "other")).unwrap();
    let mut greedy = Box::pin(pool.acquire(fair_claim("p", "greedy"), None));
    assert!(greedy.as_mut().now_or_never().is_none());
    assert!(
        !pool.should_yield(&fair_claim("p", "other")),
        "greedy has used more"
    );
    let mut modest = Box::pin(pool.acquire(fair_claim("p", "modest"), None));
    assert!(modest.as_mut().now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(
        pool.should_yield(&fair_claim("p", "other")),
        "modest has used nothing"
    );
    drop(permit);
    let modest = modest.await.unwrap();
    assert!(greedy.as_mut().now_or_never().is_none());
    drop(modest);
    drop(greedy.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn in_a_fair_pool_the_plugin_comes_first_that_has_used_least_however_many_checks_it_has() {
    let pool = Pool::fair("test", Limits::new(1));
    for number in 0..10 {
        use_up(&pool, fair_claim("many", &format!("{number}")), 1).await;
    }
    use_up(&pool, fair_claim("one", "check"), 5).await;
    let permit = pool.try_acquire(fair_claim("many", "held")).unwrap();
    let mut new = Box::pin(pool.acquire(fair_claim("many", "new"), None));
    assert!(new.as_mut().now_or_never().is_none());
    let mut one = Box::pin(pool.acquire(fair_claim("one", "check"), None));
    assert!(one.as_mut().now_or_never().is_none());
    drop(permit);
    drop(one.await.unwrap());
    drop(new.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn in_a_fair_pool_only_as_many_yield_as_wait_and_those_that_have_used_most() {
    let pool = Pool::fair("test", Limits::new(3));
    let holders: Vec<Claim> = (0..3)
        .map(|number| fair_claim("p", &format!("{number}")))
        .collect();
    for (claim, seconds) in holders.iter().zip(1..) {
        use_up(&pool, claim.clone(), seconds).await;
    }
    let holders_again = holders.iter().cloned();
    let _permits: Vec<_> = holders_again
        .map(|claim| pool.try_acquire(claim).unwrap())
        .collect();
    let give_way = || {
        holders
            .iter()
            .map(|claim| pool.should_yield(claim))
            .collect::<Vec<_>>()
    };
    assert_eq!(give_way(), [false; 3]);
    let mut wait = Vec::new();
    for (number, expected) in [[false, false, true], [false, true, true]]
        .into_iter()
        .enumerate()
    {
        let claim = fair_claim("p", &format!("new{number}"));
        let mut waits = Box::pin(pool.acquire(claim, None));
        assert!(waits.as_mut().now_or_never().is_none());
        wait.push(waits);
        assert_eq!(give_way(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_fair_pool_one_that_is_usually_served_need_not_yield_while_it_holds_a_unit() {
    let pool = Pool::fair("test", Limits::new(1));
    for _ in 0..4 {
        pool.try_acquire(fair_claim("p", "served"))
            .unwrap()
            .release_productive();
    }
    let _permit = pool.try_acquire(fair_claim("p", "served")).unwrap();
    let mut new = Box::pin(pool.acquire(fair_claim("p", "new"), None));
    assert!(new.as_mut().now_or_never().is_none());
    tokio::time::advance(Duration::from_millis(500)).await;
    assert!(!pool.should_yield(&fair_claim("p", "served")));
}
