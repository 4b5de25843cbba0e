//! Runs with the same name and target.

use super::*;

#[test]
fn runs_with_the_same_name_and_target_are_distinguished_by_their_ids() {
    let run = |id: &str| {
        let check = Check {
            id: CheckId::new(id),
            ..Check::clone(&check("m", "http", "https://h.test/?q"))
        };
        run(Arc::new(check), 1_000, verdict(VerdictStatus::Pass, "fine", &[]))
    };
    let alike = [
        run("m@https://h.test/~01234567"),
        run("m@https://h.test/~89abcdef"),
    ];
    let report = human(&alike, Detail::Problems, PLAIN);
    for id in ["~01234567", "~89abcdef"] {
        assert!(report.contains(&format!("m@https://h.test/{id}")), "{report}");
    }
    let value: serde_json::Value = serde_json::from_str(&json(&alike).unwrap()).unwrap();
    assert_ne!(value["runs"][0]["id"], value["runs"][1]["id"]);
    let alone = human(&alike[..1], Detail::Problems, PLAIN);
    assert!(!alone.contains("~01234567"), "{alone}");
}
