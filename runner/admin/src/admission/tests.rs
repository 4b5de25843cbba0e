use std::net::Ipv4Addr;

use futures_util::StreamExt as _;

use super::*;

const LIMITS: StageLimits = StageLimits {
    openings: 4,
    handshakes: 4,
    heads: 4,
    probes: 2,
    waiting: 1,
    responses: 1,
    response_time: Duration::from_secs(2),
};

fn peer(id: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, id).into()
}

fn is_closed(admitted: &Admitted) -> bool {
    admitted.close.is_cancelled()
}

/// A crowd from `addresses` addresses whose connections arrive one millisecond apart.
async fn crowd(admission: &Admission, addresses: u8, stage: Stage) -> Vec<Admitted> {
    let mut crowd = Vec::new();
    for id in 0..200 {
        let one = admission.admit(peer(id % addresses), Stage::Opening);
        if stage != Stage::Opening {
            one.enter(stage);
        }
        crowd.push(one);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    crowd
}

fn open(crowd: &[Admitted]) -> usize {
    crowd.iter().filter(|one| !is_closed(one)).count()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_proceeds_keeps_its_place_however_many_send_nothing() {
    for addresses in [1, 7, 200] {
        let admission = Admission::new(LIMITS);
        let probe = admission.admit(peer(1), Stage::Opening);
        probe.enter(Stage::Handshake);
        let silent = crowd(&admission, addresses, Stage::Opening).await;
        assert!(!is_closed(&probe), "{addresses}");
        assert_eq!(open(&silent), LIMITS.openings);
        probe.enter(Stage::Head);
        let _silent = crowd(&admission, addresses, Stage::Opening).await;
        assert!(!is_closed(&probe), "{addresses}");
    }
}

#[tokio::test(start_paused = true)]
async fn overdue_handshakes_are_evicted_before_those_that_have_time_left() {
    let admission = Admission::new(LIMITS);
    let abandoned: Vec<_> = (0..4)
        .map(|id| admission.admit(peer(id), Stage::Opening))
        .collect();
    abandoned.iter().for_each(|one| one.enter(Stage::Handshake));
    tokio::time::advance(STAGE_TIME).await;
    // Their address has the most connections, but they still have time.
    let going_on: Vec<_> = (0..4).map(|_| admission.admit(peer(9), Stage::Opening)).collect();
    going_on.iter().for_each(|one| one.enter(Stage::Handshake));
    assert_eq!((open(&abandoned), open(&going_on)), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn the_newer_half_is_spared_while_no_connection_is_overdue() {
    for _ in 0..100 {
        let admission = Admission::new(LIMITS);
        let mut crowd = Vec::new();
        for _ in 0..4 {
            crowd.push(admission.admit(peer(1), Stage::Opening));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let _one_more = admission.admit(peer(1), Stage::Opening);
        assert_eq!(open(&crowd[..2]), 1);
        assert_eq!(open(&crowd[2..]), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_with_many_connections_evicts_its_own() {
    let admission = Admission::new(LIMITS);
    let other = admission.admit(peer(2), Stage::Opening);
    let many: Vec<Admitted> = (0..100)
        .map(|_| admission.admit(peer(1), Stage::Opening))
        .collect();
    assert!(!is_closed(&other));
    assert_eq!(open(&many), LIMITS.openings - 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_connection_waits_while_every_opening_has_time_left() {
    let admission = Admission::new(LIMITS);
    let mut crowd = Vec::new();
    for _ in 0..LIMITS.openings {
        assert_eq!(admission.time_until_room(), Duration::ZERO);
        crowd.push(admission.admit(peer(1), Stage::Opening));
    }
    assert_eq!(admission.time_until_room(), OPENING_TIME);
    tokio::time::advance(OPENING_TIME).await;
    assert_eq!(admission.time_until_room(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn when_descriptors_are_short_only_overdue_connections_are_closed() {
    let admission = Admission::new(LIMITS);
    assert!(!admission.close_overdue());
    let (opening, handshake, probe) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(2), Stage::Opening),
        admission.admit(peer(3), Stage::Opening),
    );
    handshake.enter(Stage::Handshake);
    probe.enter(Stage::Probe);
    assert!(!admission.close_overdue());
    tokio::time::advance(OPENING_TIME).await;
    assert!(admission.close_overdue() && is_closed(&opening) && !is_closed(&handshake));
    assert!(!admission.close_overdue());
    tokio::time::advance(STAGE_TIME).await;
    assert!(admission.close_overdue() && is_closed(&handshake));
    tokio::time::advance(STAGE_TIME).await;
    assert!(!admission.close_overdue() && !is_closed(&probe));
}

#[test]
fn few_descriptors_make_few_places() {
    let few = LIMITS.scaled_to(0);
    assert_eq!((few.openings, few.handshakes, few.heads), (4, 4, 4));
    let limits = StageLimits {
        openings: 64,
        ..LIMITS
    };
    assert_eq!(limits.scaled_to(RESERVED_FDS).openings, 64);
    assert_eq!(limits.scaled_to(RESERVED_FDS / 2).openings, 21);
    assert_eq!(limits.scaled_to(1).openings, MIN_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_complete_request_is_not_evicted_by_incomplete_ones() {
    let admission = Admission::new(LIMITS);
    let probe = admission.admit(peer(1), Stage::Opening);
    probe.enter(Stage::Probe);
    let _slow: Vec<Admitted> = (0..100)
        .map(|_| admission.admit(peer(1), Stage::Opening))
        .collect();
    assert!(!is_closed(&probe));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_response_is_evicted_after_its_time_and_not_before() {
    let admission = Admission::new(LIMITS);
    let slow = admission.admit(peer(1), Stage::Opening);
    assert!(slow.enter_response().await);
    let next = admission.admit(peer(1), Stage::Opening);
    // The client reads everything, however long it takes to produce.
    tokio::time::advance(LIMITS.response_time * 10).await;
    assert!(!next.enter_response().await && !is_closed(&slow));
    slow.blocked().begin();
    tokio::time::advance(LIMITS.response_time).await;
    assert!(next.enter_response().await && is_closed(&slow));
}

#[tokio::test(start_paused = true)]
async fn few_requests_wait_for_a_place_and_the_others_are_rejected_at_once() {
    let admission = Admission::new(LIMITS);
    let first = admission.admit(peer(1), Stage::Opening);
    assert!(first.enter_response().await);
    let (second, third) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(1), Stage::Opening),
    );
    let began = Instant::now();
    let (is_second_in, is_third_in) = tokio::join!(
        async {
            let is_in = second.enter_response().await;
            (is_in, began.elapsed())
        },
        async { (third.enter_response().await, began.elapsed()) },
    );
    assert_eq!(is_third_in, (false, Duration::ZERO));
    assert!(!is_second_in.0 && is_second_in.1 >= MAX_QUEUE_TIME);
    drop(first);
    assert!(second.enter_response().await);
}

/// Places for four responses and four waiting requests.
fn eight() -> Admission {
    Admission::new(StageLimits {
        openings: 16,
        heads: 16,
        waiting: 4,
        responses: 4,
        ..LIMITS
    })
}

#[tokio::test(start_paused = true)]
async fn requests_of_an_address_with_all_places_are_evicted_for_others_down_to_an_equal_share() {
    let admission = eight();
    let many: Vec<_> = (0..8).map_while(|_| admission.admit_request(peer(1))).collect();
    assert_eq!(many.len(), 8);
    assert!(admission.admit_request(peer(1)).is_none());
    let others: Vec<_> = (0..8).map_while(|_| admission.admit_request(peer(2))).collect();
    assert_eq!(others.len(), 4, "an equal share");
    let evicted: Vec<_> = many.iter().map(Admitted::is_evicted).collect();
    assert_eq!(evicted, [[false; 4], [true; 4]].concat(), "those that came last");
    assert!(!many.iter().any(is_closed), "they are told so");
    assert!(admission.admit_request(peer(3)).is_some());
    // If each address has one, none is evicted.
    let admission = eight();
    let _each: Vec<_> = (1..=8)
        .map(|id| admission.admit_request(peer(id)).unwrap())
        .collect();
    assert!(admission.admit_request(peer(9)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_that_is_evicted_is_rejected_at_once() {
    let admission = eight();
    let many: Vec<_> = (0..8).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    let mut responses = many
        .iter()
        .map(Admitted::enter_response)
        .collect::<futures_util::stream::FuturesUnordered<_>>();
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(responses.next().await, Some(true));
    }
    let other = admission.admit(peer(2), Stage::Opening);
    let other = other.enter_response();
    let (is_in, first) = tokio::join!(other, responses.next());
    assert_eq!(first, Some(false));
    assert!(!is_in && began.elapsed() < 2 * MAX_QUEUE_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_place_to_respond_goes_to_the_address_with_the_fewest() {
    let admission = eight();
    let many: Vec<_> = (0..6).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    for one in &many[..4] {
        assert!(one.enter_response().await);
    }
    let other = admission.admit(peer(2), Stage::Opening);
    let leaves = async {
        sleep(Duration::from_millis(300)).await;
        admission.table().remove(many[0].id);
    };
    let (fifth, sixth, other, ()) = tokio::join!(
        many[4].enter_response(),
        many[5].enter_response(),
        other.enter_response(),
        leaves
    );
    assert_eq!((fifth, sixth, other), (false, false, true));
}

#[tokio::test(start_paused = true)]
async fn blocked_responses_of_an_address_with_several_are_evicted_sooner() {
    let admission = eight();
    let slow: Vec<_> = (0..4).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    for one in &slow {
        assert!(one.enter_response().await);
        one.blocked().begin();
    }
    let (own, other) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(2), Stage::Opening),
    );
    assert!(!own.enter_response().await, "it has enough of them");
    assert!(other.enter_response().await);
    assert_eq!(slow.iter().filter(|one| is_closed(one)).count(), 1);
}
