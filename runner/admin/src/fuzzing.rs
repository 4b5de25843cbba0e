//! For the fuzz targets: one connection to the admin server.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use canary_net::ledger::Budget;
use canary_run::publish::Restored;
use canary_settings::Token;
use canary_suite::Check;

/// An admin server on a public address, of a runner that has not run any check yet.
pub struct Admin {
    server: Server,
    reloads: Arc<AtomicU64>,
}

impl Admin {
    /// An admin server with these checks and this token.
    #[must_use]
    pub fn new(checks: &[Arc<Check>], token: Token) -> Self {
        let store = StatusStore::default();
        store.apply_suite(checks, &mut Restored::default(), Instant::now());
        let reloads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&reloads);
        let state = AdminState {
            store,
            ledger: Ledger::new(Budget::new(100)),
            reloads: ReloadStatus::default(),
            features: Vec::new(),
            started: (SystemTime::UNIX_EPOCH, Instant::now()),
            health: Box::new(HealthReport::default),
            metrics: Box::new(|_| Box::new(std::iter::once("canary_up 1\n".to_owned()))),
            reload: Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Ok(1) })
            }),
        };
        let server = Server {
            limits: LIMITS,
            state,
            access: AccessPolicy::new(Some(token), true),
            tls: None,
            hosts: Hosts::new(["runner.example".to_owned()]),
        };
        Self { server, reloads }
    }

    /// Returns what the server sends on a connection on which `sent` is received.
    pub async fn answer(&self, sent: &[u8]) -> Vec<u8> {
        let admission = Admission::new(self.server.limits.stages);
        let admitted = admission.admit(Ipv4Addr::LOCALHOST.into(), Stage::Opening);
        let mut answer = Vec::new();
        let stream = tokio::io::join(sent, &mut answer);
        self.server.serve_connection(stream, &admitted).await;
        answer
    }

    /// The number of reloads so far.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }
}
