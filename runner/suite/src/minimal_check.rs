//! A minimal check, for tests and probes that have no suite.

use std::sync::Arc;
use std::time::Duration;

use super::{AlertRules, Annotations, Cadence, Check, CheckId, Config, Secrets, Target};
use crate::grant::Grants;
use canary_record::quota::Quota;

impl Check {
    /// A TCP check of `example.com:443` with no retries, thresholds of 2 and 1, and a timeout equal to its interval.
    #[must_use]
    pub fn minimal(name: &str, interval: Duration) -> Self {
        Self {
            id: CheckId::new(name),
            former_id: None,
            name: name.to_owned(),
            plugin: "tcp".to_owned(),
            target: Target::new("example.com:443"),
            secrets: Secrets::default(),
            cadence: Cadence::Every(interval),
            retry_interval: None,
            timeout: interval,
            retries: 0,
            failure_threshold: 2,
            success_threshold: 1,
            quota: Quota::default(),
            grants: Grants::default(),
            labels: Arc::default(),
            group: None,
            depends_on: Arc::default(),
            alert: AlertRules::default(),
            annotations: Annotations::default(),
            expect_failure: false,
            config: Config::new("{}".to_owned()),
        }
    }
}
