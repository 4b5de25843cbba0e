//! The run that asks.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::ResolverSettings;
use super::flight::Progress;
use super::settings::{Current, Source, Whose};
use crate::ledger::{Charge, Page};
use crate::net::NetError;
use crate::record::Conversation;
use crate::suite::CheckId;
use crate::trace::Shortage;

/// Questions of one run that go on at once: a check never overlaps itself, so it is the check's share too.
const AT_ONCE: u32 = 4;

/// The questions of one run: a few at once, each with a descriptor of its quota.
#[derive(Debug)]
pub struct Asker {
    page: Arc<Page>,
    turns: Semaphore,
    /// Those of the check itself, where it has any.
    settings: Option<Arc<Current>>,
}

/// The right to ask one question; given back on drop.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _charge: Charge,
}

impl Asker {
    /// The run that `page` belongs to.
    #[must_use]
    pub fn new(page: Arc<Page>) -> Self {
        let turns = Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(usize::MAX));
        Self {
            page,
            turns,
            settings: None,
        }
    }

    /// The same, of a check that names its own servers: then the machine's files do not count, and a name is asked for as it
    /// is written. Without servers it goes by the machine's.
    #[must_use]
    pub fn with_servers(self, servers: Vec<SocketAddr>) -> Self {
        let current = || Current {
            settings: ResolverSettings::servers(servers.clone()),
            whose: Whose::Check,
            hosts: Arc::default(),
        };
        Self {
            settings: (!servers.is_empty()).then(|| Arc::new(current())),
            ..self
        }
    }

    /// What its lookups go by.
    pub(super) fn current(&self, source: &Source) -> Arc<Current> {
        self.settings.clone().unwrap_or_else(|| source.current())
    }

    pub(super) fn check(&self) -> CheckId {
        self.page.owner().check.clone()
    }

    /// What a pool knows the plugin by; the name of a service where there is none.
    pub(super) fn plugin(&self) -> Arc<str> {
        let owner = self.page.owner();
        match &owner.run {
            Some(run) => Arc::clone(&run.plugin),
            None => (&owner.check).into(),
        }
    }

    /// Where what servers answer is noted, if it is wanted.
    pub(super) fn conversation(&self) -> Option<&Conversation> {
        self.page.recorder().conversation()
    }

    /// Waits for the run's own questions before this one.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, NetError> {
        let turn = self.turns.acquire().await.map_err(closed)?;
        if let Some(charge) = self.page.try_charge() {
            return Ok(Turn {
                _turn: turn,
                _charge: charge,
            });
        }
        // Another question of the run may have the descriptor that is missing: once none goes on, the quota decides.
        drop(turn);
        let all = self.turns.acquire_many(AT_ONCE).await.map_err(closed)?;
        Ok(Turn {
            _turn: all,
            _charge: self.page.charge()?,
        })
    }

    /// Begins to wait for an exchange of which nothing is known but its progress.
    pub(super) fn waits(&self, progress: Arc<Progress>) -> Waits<'_> {
        Waits {
            page: &self.page,
            progress: Some(progress),
        }
    }
}

fn closed(error: tokio::sync::AcquireError) -> NetError {
    NetError::Other(error.to_string())
}

/// A wait for an exchange. When the run's time is up before a server was asked, no server is to blame.
#[derive(Debug)]
pub(super) struct Waits<'a> {
    page: &'a Page,
    /// Absent once there is an answer.
    progress: Option<Arc<Progress>>,
}

impl Waits<'_> {
    pub(super) fn end(mut self) {
        self.progress = None;
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self
            .progress
            .as_ref()
            .is_some_and(|progress| !progress.has_begun())
        {
            self.page.note_shortage(Shortage::Dns);
        }
    }
}
