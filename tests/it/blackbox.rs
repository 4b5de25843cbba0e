//! What the tests of Prometheus' blackbox_exporter try, in our own words: the same facts about the target, the same
//! expectations in a suite, and the exporter's verdict. Where ours is another one, the row says why.
//!
//! A target without a scheme, which the exporter takes for `http`, is refused when the suite is read, as is port 0.
//!
//! Left out is what has no counterpart: DNS, gRPC, WebSocket, unix sockets and HTTP/3 (no such plugin), the metrics of a
//! proxied resolve phase, and CEL expressions that do not give a truth value (a rule always does).

mod http;
mod tcp;

use canary_tests::harness::{Ran, Trial};
use serde_json::Value;

/// What the exporter says of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Succeeds,
    Fails,
}

/// One case.
struct Case {
    name: &'static str,
    config: Value,
    exporter: Verdict,
    /// How a run ends here, where that is not the exporter's verdict, and why.
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

    /// Runs it, and holds how it ended against the table.
    async fn judge(&self, mut trial: Trial<'_>) -> Ran {
        for (key, value) in self.config.as_object().into_iter().flatten() {
            trial = trial.set(key, value.clone());
        }
        let ran = trial.run().await;
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
