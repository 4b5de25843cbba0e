use std::net::Ipv4Addr;

use futures_util::StreamExt as _;

use super::*;

const PLACES: Places = Places {
    openings: 4,
    handshakes: 4,
    heads: 4,
    probes: 2,
    waiting: 1,
    answers: 1,
    answer_time: Duration::from_secs(2),
};

fn peer(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

fn is_closed(admitted: &Admitted) -> bool {
    admitted.close.is_cancelled()
}

/// A crowd of `addresses` in which each connection comes a millisecond after the one before.
async fn crowd(admission: &Admission, addresses: u8, stage: Stage) -> Vec<Admitted> {
    let mut crowd = Vec::new();
    for number in 0..200 {
        let one = admission.admit(peer(number % addresses), Stage::Opening);
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
async fn however_many_send_nothing_a_client_that_goes_on_keeps_its_place() {
    for addresses in [1, 7, 200] {
        let admission = Admission::new(PLACES);
        let probe = admission.admit(peer(1), Stage::Opening);
        probe.enter(Stage::Handshake);
        let silent = crowd(&admission, addresses, Stage::Opening).await;
        assert!(!is_closed(&probe), "{addresses}");
        assert_eq!(open(&silent), PLACES.openings);
        probe.enter(Stage::Head);
        let _silent = crowd(&admission, addresses, Stage::Opening).await;
        assert!(!is_closed(&probe), "{addresses}");
    }
}

#[tokio::test(start_paused = true)]
async fn handshakes_that_do_not_go_on_make_room_before_those_that_have_time_left() {
    let admission = Admission::new(PLACES);
    let abandoned: Vec<_> = (0..4)
        .map(|number| admission.admit(peer(number), Stage::Opening))
        .collect();
    abandoned.iter().for_each(|one| one.enter(Stage::Handshake));
    tokio::time::advance(STAGE_TIME).await;
    // Its address has the most, and still it is not the one.
    let going_on: Vec<_> = (0..4).map(|_| admission.admit(peer(9), Stage::Opening)).collect();
    going_on.iter().for_each(|one| one.enter(Stage::Handshake));
    assert_eq!((open(&abandoned), open(&going_on)), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn the_newer_half_is_spared_while_nobody_is_late() {
    for _ in 0..100 {
        let admission = Admission::new(PLACES);
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
async fn an_address_that_sends_many_closes_its_own() {
    let admission = Admission::new(PLACES);
    let other = admission.admit(peer(2), Stage::Opening);
    let many: Vec<Admitted> = (0..100)
        .map(|_| admission.admit(peer(1), Stage::Opening))
        .collect();
    assert!(!is_closed(&other));
    assert_eq!(open(&many), PLACES.openings - 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_one_waits_while_every_opening_is_young() {
    let admission = Admission::new(PLACES);
    let mut crowd = Vec::new();
    for _ in 0..PLACES.openings {
        assert_eq!(admission.room_in(), Duration::ZERO);
        crowd.push(admission.admit(peer(1), Stage::Opening));
    }
    assert_eq!(admission.room_in(), OPENING_TIME);
    tokio::time::advance(OPENING_TIME).await;
    assert_eq!(admission.room_in(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn where_descriptors_are_short_only_a_connection_that_takes_long_gives_up_its_own() {
    let admission = Admission::new(PLACES);
    assert!(!admission.close_late());
    let (opening, handshake, probe) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(2), Stage::Opening),
        admission.admit(peer(3), Stage::Opening),
    );
    handshake.enter(Stage::Handshake);
    probe.enter(Stage::Probe);
    assert!(!admission.close_late());
    tokio::time::advance(OPENING_TIME).await;
    assert!(admission.close_late() && is_closed(&opening) && !is_closed(&handshake));
    assert!(!admission.close_late());
    tokio::time::advance(STAGE_TIME).await;
    assert!(admission.close_late() && is_closed(&handshake));
    tokio::time::advance(STAGE_TIME).await;
    assert!(!admission.close_late() && !is_closed(&probe));
}

#[test]
fn few_descriptors_make_few_places() {
    let few = PLACES.within(0);
    assert_eq!((few.openings, few.handshakes, few.heads), (4, 4, 4));
    let places = Places {
        openings: 64,
        ..PLACES
    };
    assert_eq!(places.within(RESERVE).openings, 64);
    assert_eq!(places.within(RESERVE / 2).openings, 21);
    assert_eq!(places.within(1).openings, FEWEST);
}

#[tokio::test(start_paused = true)]
async fn a_whole_request_is_no_longer_among_those_that_make_room() {
    let admission = Admission::new(PLACES);
    let probe = admission.admit(peer(1), Stage::Opening);
    probe.enter(Stage::Probe);
    let _slow: Vec<Admitted> = (0..100)
        .map(|_| admission.admit(peer(1), Stage::Opening))
        .collect();
    assert!(!is_closed(&probe));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_makes_room_after_its_time_and_not_before() {
    let admission = Admission::new(PLACES);
    let slow = admission.admit(peer(1), Stage::Opening);
    assert!(slow.enter_answer().await);
    let next = admission.admit(peer(1), Stage::Opening);
    // It takes what there is, however long that takes to be made.
    tokio::time::advance(PLACES.answer_time * 10).await;
    assert!(!next.enter_answer().await && !is_closed(&slow));
    slow.blocked().begin();
    tokio::time::advance(PLACES.answer_time).await;
    assert!(next.enter_answer().await && is_closed(&slow));
}

#[tokio::test(start_paused = true)]
async fn few_wait_for_an_answer_and_the_others_hear_so_at_once() {
    let admission = Admission::new(PLACES);
    let first = admission.admit(peer(1), Stage::Opening);
    assert!(first.enter_answer().await);
    let (second, third) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(1), Stage::Opening),
    );
    let began = Instant::now();
    let (is_second_in, is_third_in) = tokio::join!(
        async {
            let is_in = second.enter_answer().await;
            (is_in, began.elapsed())
        },
        async { (third.enter_answer().await, began.elapsed()) },
    );
    assert_eq!(is_third_in, (false, Duration::ZERO));
    assert!(!is_second_in.0 && is_second_in.1 >= PATIENCE);
    drop(first);
    assert!(second.enter_answer().await);
}

/// Places for four answers and four more requests.
fn eight() -> Admission {
    Admission::new(Places {
        openings: 16,
        heads: 16,
        waiting: 4,
        answers: 4,
        ..PLACES
    })
}

#[tokio::test(start_paused = true)]
async fn an_address_that_takes_every_place_for_requests_makes_room_for_others_as_long_as_it_has_more() {
    let admission = eight();
    let many: Vec<_> = (0..8).map_while(|_| admission.admit_request(peer(1))).collect();
    assert_eq!(many.len(), 8);
    assert!(admission.admit_request(peer(1)).is_none());
    let others: Vec<_> = (0..8).map_while(|_| admission.admit_request(peer(2))).collect();
    assert_eq!(others.len(), 4, "an equal share");
    let turned_away: Vec<_> = many.iter().map(Admitted::is_turned_away).collect();
    assert_eq!(
        turned_away,
        [[false; 4], [true; 4]].concat(),
        "those that came last"
    );
    assert!(!many.iter().any(is_closed), "they are told so");
    assert!(admission.admit_request(peer(3)).is_some());
    // Where each has one, nobody has to make room.
    let admission = eight();
    let _each: Vec<_> = (1..=8)
        .map(|number| admission.admit_request(peer(number)).unwrap())
        .collect();
    assert!(admission.admit_request(peer(9)).is_none());
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_answer_hears_at_once_that_it_makes_room_for_another_address() {
    let admission = eight();
    let many: Vec<_> = (0..8).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    let mut answers = many
        .iter()
        .map(Admitted::enter_answer)
        .collect::<futures_util::stream::FuturesUnordered<_>>();
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(answers.next().await, Some(true));
    }
    let other = admission.admit(peer(2), Stage::Opening);
    let other = other.enter_answer();
    let (is_in, first) = tokio::join!(other, answers.next());
    assert_eq!(first, Some(false));
    assert!(!is_in && began.elapsed() < 2 * PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn room_for_an_answer_goes_to_the_address_that_has_fewest() {
    let admission = eight();
    let many: Vec<_> = (0..6).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    for one in &many[..4] {
        assert!(one.enter_answer().await);
    }
    let other = admission.admit(peer(2), Stage::Opening);
    let leaves = async {
        sleep(Duration::from_millis(300)).await;
        admission.table().remove(many[0].number);
    };
    let (fifth, sixth, other, ()) = tokio::join!(
        many[4].enter_answer(),
        many[5].enter_answer(),
        other.enter_answer(),
        leaves
    );
    assert_eq!((fifth, sixth, other), (false, false, true));
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_address_that_it_is_slow_to_take_make_room_for_another_address_sooner() {
    let admission = eight();
    let slow: Vec<_> = (0..4).map(|_| admission.admit(peer(1), Stage::Opening)).collect();
    for one in &slow {
        assert!(one.enter_answer().await);
        one.blocked().begin();
    }
    let (own, other) = (
        admission.admit(peer(1), Stage::Opening),
        admission.admit(peer(2), Stage::Opening),
    );
    assert!(!own.enter_answer().await, "it has enough of them");
    assert!(other.enter_answer().await);
    assert_eq!(slow.iter().filter(|one| is_closed(one)).count(), 1);
}
