//! What the author of a plugin sees of a run: its output, where it failed, and what the host does not provide.

use canary_tests::harness::{AttemptResult, Harness, alone, ms};
use canary_tests::peer::plain;

fn log_of(ran: &AttemptResult) -> Vec<String> {
    let line = |line: &canary::outcome::LogLine| {
        let fields = line.fields.iter();
        let fields: String = fields.map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{} {}{fields}", line.level.as_str(), line.message)
    };
    ran.log.iter().map(line).collect()
}

#[test]
fn each_line_that_a_guest_prints_is_in_the_log_of_the_run() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness.guest_with("print", 2).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass");
        assert_eq!(
            log_of(&ran),
            [
                "info printed 0 stream=stdout",
                "info complained 0 stream=stderr",
                "info printed 1 stream=stdout",
                "info complained 1 stream=stderr",
            ]
        );
    });
}

#[test]
fn a_guest_that_prints_too_much_goes_on_and_the_lines_are_counted() {
    alone(async {
        let harness = Harness::new().await;
        let attempt = harness.guest_with("print", 10_000).timeout(ms(30_000));
        let ran = attempt.quota(|quota| quota.cpu = ms(20_000)).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "pass");
        assert_eq!(ran.log.len(), 64);
        assert_eq!(ran.denied(canary::quota::QuotaKind::LogLines), 20_000 - 64);
    });
}

#[test]
fn a_panic_is_shown_with_its_message_and_its_line() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness.guest("panic").run().await;
        let summary = ran.leaves_nothing().outcome.summary();
        let (message, place) = summary.split_once(" (").unwrap();
        assert_eq!(message, "the plugin trapped: panicked: the hostile plugin panics");
        assert!(
            place.starts_with("tests/guests/hostile/src/behave.rs:"),
            "{summary}"
        );
        let log = log_of(&ran);
        let frames = log.last().unwrap();
        assert!(frames.starts_with("error it ended in `"), "{log:?}");
        assert!(frames.contains("hostile::behave::"), "{log:?}");
        assert!(!frames.contains("panicking"), "{log:?}");
    });
}

#[test]
fn endless_recursion_and_endless_computation_name_their_function() {
    alone(async {
        let harness = Harness::new().await;
        let ran = harness.guest("recurse").run().await;
        let summary = ran.leaves_nothing().outcome.summary();
        // The stack of a guest in Rust ends at the end of its memory.
        assert!(
            summary.starts_with("the plugin trapped: out of bounds memory access in `"),
            "{summary}"
        );
        assert!(summary.contains("recurse"), "{summary}");
        let log = log_of(&ran);
        assert!(
            log.last()
                .is_some_and(|line| line.contains("recurse` (20 times)")),
            "{log:?}"
        );

        let spin = harness.guest("spin").timeout(ms(30_000));
        let ran = spin.quota(|quota| quota.cpu = ms(200)).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "stopped: quota");
        let log = log_of(&ran);
        assert!(
            log.last().is_some_and(|line| line.contains("behave::")),
            "{log:?}"
        );
    });
}

#[test]
fn a_guest_that_imports_the_sockets_of_wasi_loads_and_is_refused_by_name_when_it_calls_them() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let ran = harness.guest("std_connect").against(&peer).run().await;
        assert_eq!(ran.leaves_nothing().ended(), "faulted: trap");
        let summary = ran.outcome.summary();
        assert!(summary.contains("of `wasi:sockets/"), "{summary}");
        assert!(summary.contains("which this host does not provide"), "{summary}");
    });
}
