//! The test cases of Prometheus' blackbox_exporter: the same facts about the target, the same expectations in a suite,
//! and the exporter's verdict. Where ours differs, the row says why.
//!
//! A target without a scheme, which the exporter treats as `http`, is rejected when the suite is loaded, as is port 0.
//!
//! Cases without a counterpart are left out: DNS, gRPC, WebSocket, unix sockets and HTTP/3 (no such plugin), the
//! metrics of a proxied resolve phase, and CEL expressions that do not give a truth value (a rule always does).

mod http;
mod tcp;

use canary_tests::harness::{AttemptBuilder, AttemptResult};
use serde_json::Value;

/// The exporter's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Succeeds,
    Fails,
}

/// One test case.
struct Case {
    name: &'static str,
    config: Value,
    exporter: Verdict,
    /// The outcome here where it differs from the exporter's verdict, and why.
    differs: Option<(&'static str, &'static str)>,
}

fn succeeds(name: &'static str, config: Value) -> Case {
    Case {
        name,
        config,
        exporter: Verdict::Succeeds,
        differs: None,
    }
}

fn fails(name: &'static str, config: Value) -> Case {
    Case {
        exporter: Verdict::Fails,
        ..succeeds(name, config)
    }
}

impl Case {
    fn but(self, ended: &'static str, reason: &'static str) -> Self {
        Self {
            differs: Some((ended, reason)),
            ..self
        }
    }

    /// Runs it, and compares the outcome with the table.
    async fn assert_verdict(&self, mut attempt: AttemptBuilder<'_>) -> AttemptResult {
        for (key, value) in self.config.as_object().into_iter().flatten() {
            attempt = attempt.set(key, value.clone());
        }
        let ran = attempt.run().await;
        let verdict = match self.exporter {
            Verdict::Succeeds => "pass",
            Verdict::Fails => "fail",
        };
        let (expected, reason) = self.differs.unwrap_or((verdict, "as the exporter"));
        let ended = ran.leaves_nothing().ended();
        assert_eq!(ended, expected, "{} ({reason}): {:?}", self.name, ran.outcome);
        ran
    }
}
