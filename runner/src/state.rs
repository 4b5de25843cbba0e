//! What survives a restart: a durable map of texts, kept by a thread of its own in an SQLite database.
//!
//! ```text
//! put -> mailbox (the latest of each key) -> thread -> one transaction -> committed
//! ```
//!
//! Whoever puts never waits for the disk. What is put together is kept together. The mailbox holds the latest text of
//! each key, so that a disk that hangs costs memory for the keys that there are and no more. A kill of the process
//! loses what was not committed yet, which is what [`Written`] lets a caller wait for; a loss of power may lose the
//! last moments before it.

mod mailbox;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use mailbox::Mailbox;
use store::Store;

/// How long a caller waits for a commit before it goes on without.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the last commit may take.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// What a text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// A check, by its id.
    Check,
    /// An alert, by its check.
    Alert,
    /// A notification that is not delivered yet.
    Notification,
    /// The runner itself.
    Runner,
}

impl Shelf {
    /// Each.
    pub const ALL: [Self; 4] = [Self::Check, Self::Alert, Self::Notification, Self::Runner];

    fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Alert => "alert",
            Self::Notification => "notification",
            Self::Runner => "runner",
        }
    }
}

/// A text that is to be kept from now on, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub shelf: Shelf,
    /// Which one.
    pub key: Arc<str>,
    /// The text; nothing to forget it.
    pub value: Option<String>,
}

impl Change {
    /// Keeps `text`.
    #[must_use]
    pub fn keep(shelf: Shelf, key: &str, text: String) -> Self {
        Self {
            shelf,
            key: key.into(),
            value: Some(text),
        }
    }

    /// Forgets it.
    #[must_use]
    pub fn forget(shelf: Shelf, key: &str) -> Self {
        Self {
            shelf,
            key: key.into(),
            value: None,
        }
    }
}

/// What was kept when the runner started, by shelf, in the order of the keys.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    rows: Vec<(Shelf, Arc<str>, String)>,
    /// What an operator should hear of how it was read, such as a file that was set aside.
    pub notes: Vec<String>,
}

impl Kept {
    /// The texts of one shelf.
    pub fn of(&self, shelf: Shelf) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let of_shelf = move |row: &&(Shelf, Arc<str>, String)| row.0 == shelf;
        self.rows
            .iter()
            .filter(of_shelf)
            .map(|(_, key, text)| (key, text.as_str()))
    }
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is kept, or nothing is meant to be.
    Well,
    /// The disk does not take what is put; it is tried again.
    Failing(String),
}

/// Puts texts on disk. Cheap to clone; the thread ends with the [`Keeper`].
#[derive(Debug, Clone)]
pub struct State {
    /// Absent when nothing is kept.
    mailbox: Option<Arc<Mailbox>>,
    committed: watch::Receiver<u64>,
    /// Why nothing is kept that should be.
    missing: Option<Arc<str>>,
}

/// The thread that commits; ends when it is dropped, after a last commit that takes 5 s at most.
#[derive(Debug)]
pub struct Keeper(Option<Thread>);

#[derive(Debug)]
struct Thread {
    mailbox: Arc<Mailbox>,
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

/// Why nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another runner is at work on it.
    #[error("another runner keeps its state in `{}`; name another folder with `--state-dir`, or keep none with `--state none`", .path.display())]
    Taken {
        /// Which folder.
        path: PathBuf,
    },
    /// The folder cannot be made or written to.
    #[error("cannot keep state in `{}`; name another folder with `--state-dir`, or keep none with `--state none`", .path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread does not start.
    #[error("cannot start the thread that keeps state")]
    Thread(#[source] io::Error),
}

impl State {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> (Self, Keeper) {
        let (_, committed) = watch::channel(0);
        let state = Self {
            mailbox: None,
            committed,
            missing: None,
        };
        (state, Keeper(None))
    }

    /// Keeps nothing, though it should, and says so.
    #[must_use]
    pub fn missing(reason: &str) -> (Self, Keeper) {
        let (state, keeper) = Self::none();
        let missing = Some(reason.into());
        (Self { missing, ..state }, keeper)
    }

    /// Opens `folder`/state.db, which is made if it is not there, and reads what it has. A file that cannot be read is
    /// set aside under another name, which [`Kept::notes`] tell: a runner that lost its memory still has to watch.
    ///
    /// # Errors
    /// The folder cannot be made or used at all, or another runner uses it.
    pub fn open(folder: &Path) -> Result<(Self, Keeper, Kept), StateError> {
        let failed = |source: io::Error| {
            let path = folder.to_owned();
            match source.kind() {
                io::ErrorKind::ResourceBusy => StateError::Taken { path },
                _ => StateError::Folder { path, source },
            }
        };
        let (store, kept) = Store::open(folder).map_err(failed)?;
        let (commits, committed) = watch::channel(0);
        let mailbox = Arc::new(Mailbox::default());
        let inbox = Arc::clone(&mailbox);
        let (ending, ended) = sync_channel(1);
        let work = move || {
            mailbox::work(&inbox, store, &commits);
            // Nobody waits any more when this is late.
            let _late = ending.send(());
        };
        let handle = std::thread::Builder::new()
            .name("canary-state".to_owned())
            .spawn(work)
            .map_err(StateError::Thread)?;
        let state = Self {
            mailbox: Some(Arc::clone(&mailbox)),
            committed,
            missing: None,
        };
        let thread = Thread {
            mailbox,
            ended,
            handle,
        };
        Ok((state, Keeper(Some(thread)), kept))
    }

    /// Has these changes made, all or none of them. Never waits.
    pub fn put(&self, changes: Vec<Change>) -> Written {
        let number = self.mailbox.as_ref().map_or(0, |mailbox| mailbox.put(changes));
        Written {
            number,
            committed: self.committed.clone(),
        }
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> Health {
        match (&self.mailbox, &self.missing) {
            (Some(mailbox), _) => mailbox.health(),
            (None, Some(reason)) => Health::Failing(reason.to_string()),
            (None, None) => Health::Well,
        }
    }
}

/// Changes on their way to the disk.
#[derive(Debug, Clone)]
pub struct Written {
    number: u64,
    committed: watch::Receiver<u64>,
}

impl Written {
    /// Waits until the changes are where a kill of the process does not lose them; for 500 ms at most, since nothing
    /// may depend on a disk that hangs. Says whether they are.
    ///
    /// Cancellation: changes nothing.
    pub async fn wait(mut self) -> bool {
        if self.number == 0 {
            return true;
        }
        let number = self.number;
        let committed = self.committed.wait_for(|committed| *committed >= number);
        matches!(timeout(PATIENCE, committed).await, Ok(Ok(_)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let Some(Thread {
            mailbox,
            ended,
            handle,
        }) = self.0.take()
        else {
            return;
        };
        mailbox.close();
        // A disk that hangs does not hold up the end as well.
        if ended.recv_timeout(LAST_COMMIT) != Err(RecvTimeoutError::Timeout) {
            // One that panicked has nothing more to commit.
            let _ended = handle.join();
        }
    }
}

#[cfg(test)]
impl Written {
    /// Changes that are on disk once the sender says 1.
    pub(crate) fn pending() -> (watch::Sender<u64>, Self) {
        let (commits, committed) = watch::channel(0);
        (commits, Self { number: 1, committed })
    }
}
