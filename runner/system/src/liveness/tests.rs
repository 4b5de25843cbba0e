use std::sync::mpsc::{TryRecvError, channel};

use tokio::runtime::Builder;
use tokio::time::advance;
use tokio_util::sync::CancellationToken;

use super::*;

const TEST: Component = Component {
    name: "test",
    impact: Impact::Heartbeat,
};

fn names(registry: &Registry) -> Vec<(String, bool)> {
    let stalls = registry.stalls();
    stalls
        .iter()
        .map(|stall| (stall.name.to_string(), stall.is_dead))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_component_that_does_not_report_in_time_is_stalled_until_it_does() {
    let registry = Registry::default();
    let progress = registry.register("a", Impact::Readiness);
    progress.working("delivering", Duration::from_secs(30));
    advance(Duration::from_secs(30)).await;
    assert_eq!(registry.stalls(), []);
    advance(Duration::from_secs(2)).await;
    assert_eq!(
        registry.stalls(),
        [Stall {
            name: "a".into(),
            impact: Impact::Readiness,
            activity: "delivering",
            time: Duration::from_secs(32),
            is_dead: false,
        }]
    );
    progress.beat();
    assert_eq!(registry.stalls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_waits_for_what_may_never_come_is_not_stalled() {
    let registry = Registry::default();
    let progress = registry.register("a", Impact::Readiness);
    progress.idle();
    advance(Duration::from_secs(86_400)).await;
    assert_eq!(registry.stalls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_never_reports_is_stalled_and_one_that_ended_is_not() {
    let registry = Registry::default();
    let silent = registry.register("a", Impact::Readiness);
    drop(registry.register("b", Impact::Readiness));
    advance(STALL * 2).await;
    assert_eq!(names(&registry), [("a".to_owned(), false)]);
    drop(silent);
    assert_eq!(names(&registry), []);
}

#[tokio::test]
async fn a_task_that_panicked_is_dead_until_another_takes_over() {
    let registry = Registry::default();
    let mut tasks = Tasks::default();
    let other = registry.register("b", Impact::Readiness);
    tasks.spawn(registry.register("a", Impact::Readiness), |progress| async move {
        progress.beat();
        panic!("a fault")
    });
    tasks.join().await;
    assert_eq!(names(&registry), [("a".to_owned(), true)]);
    let next = registry.register("a", Impact::Readiness);
    assert_eq!(names(&registry), []);
    drop((next, other));
}

#[test]
fn a_thread_that_panicked_is_dead() {
    let registry = Registry::default();
    let thread = spawn(TEST, &registry, |_| panic!("a fault")).unwrap();
    assert!(thread.join().is_err());
    assert_eq!(names(&registry), [("test".to_owned(), true)]);
    assert_eq!(
        registry.stalls()[0].impact,
        Impact::Liveness,
        "only a restart brings it back"
    );
}

#[test]
fn a_thread_that_ends_unasked_is_dead_and_one_that_was_asked_is_not() {
    let registry = Registry::default();
    let start = |name: &'static str| {
        let component = Component { name, ..TEST };
        Thread::start(
            component,
            &registry,
            runtime().unwrap(),
            &already_begun(),
            move |stop| async move {
                if name == "asked" {
                    stop.cancelled().await;
                }
            },
        )
        .unwrap()
    };
    let (asked, unasked) = (start("asked"), start("unasked"));
    drop(asked);
    // A thread that the machine starts late is a stall as well.
    while !registry.stalls().iter().any(|stall| stall.is_dead) {
        std::thread::yield_now();
    }
    drop(unasked);
    assert_eq!(names(&registry), [("unasked".to_owned(), true)]);
}

#[test]
fn work_begins_when_it_may_and_not_before() {
    let begin = CancellationToken::new();
    let (tx, rx) = channel();
    let thread = Thread::start(
        TEST,
        &Registry::default(),
        runtime().unwrap(),
        &begin,
        |stop| async move {
            tx.send(()).unwrap();
            stop.cancelled().await;
        },
    );
    let thread = thread.unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    begin.cancel();
    assert_eq!(rx.recv(), Ok(()));
    drop(thread);
}

#[test]
fn a_thread_that_never_began_ends_all_the_same() {
    let registry = Registry::default();
    let begin = CancellationToken::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let thread = Thread::start(TEST, &registry, runtime, &begin, |stop| async move {
        stop.cancelled().await;
    });
    drop(thread.unwrap());
    assert_eq!(names(&registry), []);
}
