//! A minimal run for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Outcome, Run, Usage};
use crate::suite::Check;
use crate::trace::{TraceContext, Trail};

impl Run {
    /// A run of one attempt that took no time and used nothing.
    pub(crate) fn plain(check: Arc<Check>, outcome: Outcome, started_at: SystemTime) -> Self {
        Self {
            check,
            plugin_digest: "00ff".into(),
            lag: Duration::ZERO,
            queued: Duration::ZERO,
            started_at,
            duration: Duration::ZERO,
            attempts: 1,
            outcome,
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
            trace: TraceContext {
                trace_id: [1; 16],
                span_id: [2; 8],
                sampled: true,
            },
        }
    }
}
