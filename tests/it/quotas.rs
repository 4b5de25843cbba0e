//! Each quota, and the guest that it is for.

use canary::quota::QuotaKind;
use canary_tests::harness::{Harness, alone};
use canary_tests::peer::plain;

#[test]
fn two_sockets_stop_the_third() {
    alone(async {
        let harness = Harness::new().await;
        let peer = plain::echo();
        let trial = harness.guest("return").hold(3).against(&peer);
        let ran = trial.quota(|q| q.sockets = 2).run().await;
        ran.leaves_nothing();
        assert_eq!(ran.answers(), ["held", "held", "quota(sockets, 2)"]);
        assert_eq!(ran.denied(QuotaKind::Sockets), 1);
        assert_eq!((ran.usage.sockets_peak, ran.usage.reclaimed), (2, 2));
    });
}
