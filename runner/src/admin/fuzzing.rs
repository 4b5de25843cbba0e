//! For the fuzz targets: one connection to the admin address.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::ledger::Budget;
use crate::publish::Restored;
use crate::settings::Token;
use crate::suite::Check;

/// A runner that has done nothing yet, behind an address that other machines reach.
pub struct Admin {
    server: Server,
    reloads: Arc<AtomicU64>,
}

impl Admin {
    /// A runner with these checks, and a token.
    #[must_use]
    pub fn new(checks: &[Arc<Check>], token: Token) -> Self {
        let board = Board::default();
        board.keep(checks, &mut Restored::default(), Instant::now());
        let reloads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&reloads);
        let shown = Shown {
            board,
            ledger: Ledger::new(Budget::new(100)),
            reloads: Reloads::default(),
            started: (SystemTime::UNIX_EPOCH, Instant::now()),
            health: Box::new(Checkup::default),
            metrics: Box::new(|_| Box::new(std::iter::once("canary_up 1\n".to_owned()))),
            reload: Box::new(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Ok(1) })
            }),
        };
        let server = Server {
            limits: LIMITS,
            shown,
            gate: Gate::new(Some(token), true),
            tls: None,
            hosts: Hosts::new(["runner.example".to_owned()]),
        };
        Self { server, reloads }
    }

    /// What comes back on a connection on which this is sent.
    pub async fn answer(&self, sent: &[u8]) -> Vec<u8> {
        let admission = Admission::new(self.server.limits.places);
        let admitted = admission.admit(Ipv4Addr::LOCALHOST.into(), Stage::Opening);
        let mut answer = Vec::new();
        let stream = tokio::io::join(sent, &mut answer);
        self.server.converse(stream, &admitted).await;
        answer
    }

    /// How many times the suite was read again.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }
}
