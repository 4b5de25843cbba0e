//! A check as plain as can be, for tests of what happens to checks.

use std::time::Duration;

use super::{AlertRules, Check, CheckId, Config, Secrets, Target};
use crate::grant::Grants;
use crate::quota::Quota;

impl Check {
    /// A TCP check of `example.com:443` with no retries and thresholds of 2 and 1, whose time-out is its interval.
    pub(crate) fn plain(name: &str, interval: Duration) -> Self {
        Self {
            id: CheckId::new(name),
            name: name.to_owned(),
            plugin: "tcp".to_owned(),
            target: Target::new("example.com:443"),
            secrets: Secrets::default(),
            interval,
            timeout: interval,
            retries: 0,
            failure_threshold: 2,
            success_threshold: 1,
            quota: Quota::default(),
            grants: Grants::default(),
            labels: Default::default(),
            group: None,
            depends_on: Vec::new(),
            alert: AlertRules::default(),
            config: Config::new("{}".to_owned()),
        }
    }
}
