//! The record of a run is bounded, whatever a guest passes to the host.

use canary::outcome::Outcome;
use canary::quota::{Quota, QuotaKind};
use canary_tests::harness::{Harness, alone, ms};
use canary_tests::peer::Hostile;

#[test]
fn texts_of_a_guest_are_cut_to_the_budget_of_its_record_and_its_summary_survives() {
    alone(async {
        let harness = Harness::new().await;
        let peer = Hostile::ClosesAtOnce.start();
        let ran = harness
            .guest_with("long_texts", 1 << 20)
            .against(&peer)
            .quota(|quota| quota.cpu = ms(20_000))
            .timeout(ms(60_000))
            .run()
            .await;
        ran.leaves_nothing();
        let Outcome::Completed(verdict) = &ran.outcome else {
            panic!("{}", ran.ended());
        };
        assert!(
            verdict.summary.starts_with("query: invalid"),
            "{}",
            verdict.summary
        );
        let record = &ran.usage.record;
        assert!(record.bytes <= Quota::default().record, "{record:?}");
        // 64 log lines alone are 129 MiB.
        assert!(record.cut_bytes > 128 << 20, "{record:?}");
        assert!(ran.denied(QuotaKind::Record) > 0);
        let kept = format!("{:?}{:?}{:?}", ran.log, ran.trail, ran.outcome).len();
        assert!(kept < 400 << 10, "{kept}");
        // Later parts of the record are not affected by the log.
        assert!(ran.trail.steps.len() >= 2, "{:?}", ran.trail);
        for line in &ran.log {
            let fields: usize = line
                .fields
                .iter()
                .map(|(key, value)| key.len() + value.len())
                .sum();
            assert!(line.message.len() + fields <= (4 << 10) + 2 * '\u{2026}'.len_utf8());
        }
    });
}

#[test]
fn a_smaller_budget_bounds_a_record_more() {
    alone(async {
        let harness = Harness::new().await;
        let attempt = harness
            .guest_with("log", 60)
            .quota(|quota| quota.record = 16 << 10);
        let ran = attempt.run().await;
        ran.leaves_nothing();
        assert_eq!(ran.ended(), "pass");
        assert!(ran.usage.record.bytes <= 16 << 10, "{:?}", ran.usage.record);
        assert!(ran.log.len() <= 4, "{}", ran.log.len());
    });
}
