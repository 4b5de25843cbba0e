//! What survives a restart: a durable map of texts, kept by a thread of its own in an SQLite database.
//!
//! ```text
//! put -> mailbox (the latest of each key) -> thread -> one transaction -> committed
//! ```
//!
//! Whoever puts never waits for the disk. What is put together is kept together. The mailbox holds the latest text of
//! each key, so that a disk that hangs costs memory for the keys that there are and no more. What is about alerts is
//! committed at once, anything else within 50 ms. A kill of the process loses what was not committed yet, which is what
//! [`Written`] lets a caller wait for; a loss of power may lose the last moments before it.
//!
//! A database that cannot be used now is left alone and tried again. While it takes nothing, a reserve beside it holds
//! what fits. A database that was not read yet is never written to: once it is, [`State::request`] hands its rows over,
//! and [`State::put_all`] says what is right from then on.

mod error;
mod files;
mod mailbox;
mod read;
mod reserve;
#[cfg(test)]
pub(crate) mod simulated;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::liveness::{self, Component, Impact, Registry};
use mailbox::Mailbox;
use read::Rows;
use store::Store;
use writer::{Opened, Writer};

/// How long the start waits for the database.
const OPEN_TIME: Duration = Duration::from_secs(5);
/// How long a caller waits for a commit before it goes on without.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the last commit may take.
const LAST_COMMIT: Duration = Duration::from_secs(5);

const COMPONENT: Component = Component {
    name: "state",
    impact: Impact::Readiness,
};

/// The latest text of each key; nothing to forget it.
type Batch = HashMap<(Shelf, Arc<str>), Option<String>>;

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

    /// Whether a caller waits for its changes, and a loss of power must not lose them: who is notified of what is on the
    /// disk before anybody is, or an alert would be repeated or forgotten.
    fn is_urgent(self) -> bool {
        matches!(self, Self::Alert | Self::Notification)
    }

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

/// What a database has, by shelf, in the order of the keys.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    rows: Rows,
    /// What an operator should hear of how it was read, such as a file that was set aside.
    pub notes: Vec<String>,
}

impl Kept {
    fn new(rows: Rows, notes: Vec<String>) -> Self {
        Self { rows, notes }
    }

    /// The texts of one shelf.
    pub fn of(&self, shelf: Shelf) -> impl Iterator<Item = (&Arc<str>, &str)> {
        let of_shelf = move |row: &(&(Shelf, Arc<str>), &String)| row.0.0 == shelf;
        self.rows
            .iter()
            .filter(of_shelf)
            .map(|((_, key), text)| (key, text.as_str()))
    }
}

/// Counts a descriptor for as long as the value lives.
pub type Hold = Box<dyn Fn() -> Box<dyn Send> + Send>;

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is kept, or nothing is meant to be.
    Well,
    /// The disk does not take what is put; it is tried again.
    Failing(String),
    /// What an earlier process kept cannot be read; it is tried again.
    Unread(String),
}

/// What has to be done before anything can be committed. It is answered with [`State::put_all`].
#[derive(Debug)]
pub enum Request {
    /// These rows, which could not be read before, have to be taken in.
    Merge(Kept),
    /// The database lost what was committed before.
    Everything,
}

/// Puts texts on disk. Cheap to clone; the thread ends with the [`Keeper`].
#[derive(Debug, Clone)]
pub struct State {
    /// Absent when nothing is kept.
    mailbox: Option<Arc<Mailbox>>,
    progress: watch::Receiver<Progress>,
}

/// How far the thread is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The last change that a kill does not lose.
    number: u64,
    /// Whether the last try failed.
    is_failing: bool,
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

/// Why the runner should not start.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another runner is at work on it.
    #[error("another runner keeps its state in `{}`; name another folder with `--state-dir`, or keep none with `--state none`", .path.display())]
    Taken {
        /// Which folder.
        path: PathBuf,
    },
    /// The thread does not start.
    #[error("cannot start the thread that keeps state")]
    Thread(#[source] io::Error),
}

impl State {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> (Self, Keeper) {
        let (_, progress) = watch::channel(Progress::default());
        let state = Self {
            mailbox: None,
            progress,
        };
        (state, Keeper(None))
    }

    /// Opens `folder`/state.db, which is made if it is not there, and returns what it has. A file that is corrupt is
    /// set aside under another name, which [`Kept::notes`] tell: a runner that lost its memory still has to watch.
    ///
    /// When the database cannot be read for any other reason, or not within 5 s, there are no rows for now: then
    /// [`State::is_unread`], and [`State::request`] has them later.
    ///
    /// `hold` is asked before each descriptor that is opened: they come and go with the trouble of a disk.
    ///
    /// # Errors
    /// Another runner uses the folder, or there is no thread.
    pub fn open(folder: &Path, hold: Hold, liveness: &Registry) -> Result<(Self, Keeper, Kept), StateError> {
        let (commits, progress) = watch::channel(Progress::default());
        let mailbox = Arc::new(Mailbox::default());
        let writer = Writer::new(Arc::clone(&mailbox), Store::new(folder, hold), commits);
        let (ending, ended) = sync_channel(1);
        // Without a buffer: what nobody takes is known not to have been taken.
        let (opening, opened) = sync_channel(0);
        let work = move |progress: &liveness::Progress| {
            // How the disk answers is what `Health` says; the registry notices when the thread panics.
            progress.idle();
            writer.run(&opening);
            // Nobody waits any more when this is late.
            let _late = ending.send(());
        };
        let handle = liveness::spawn(COMPONENT, liveness, work).map_err(StateError::Thread)?;
        let thread = Thread {
            mailbox: Arc::clone(&mailbox),
            ended,
            handle,
        };
        let keeper = Keeper(Some(thread));
        let kept = match opened.recv_timeout(OPEN_TIME) {
            Ok(Opened::Read(kept)) => kept,
            Ok(Opened::Taken) => {
                let path = folder.to_owned();
                return Err(StateError::Taken { path });
            }
            Ok(Opened::Unread) | Err(_) => Kept::default(),
        };
        let state = Self {
            mailbox: Some(mailbox),
            progress,
        };
        Ok((state, keeper, kept))
    }

    /// Has these changes made, all or none of them. Never waits.
    pub fn put(&self, changes: Vec<Change>) -> Written {
        self.written(|mailbox| mailbox.put(changes))
    }

    /// These texts are all that there is to keep: has them replace whatever the database has. Never waits.
    pub fn put_all(&self, changes: Vec<Change>) -> Written {
        self.written(|mailbox| mailbox.put_all(changes))
    }

    fn written(&self, put: impl FnOnce(&Mailbox) -> u64) -> Written {
        Written {
            number: self.mailbox.as_deref().map_or(0, put),
            progress: self.progress.clone(),
        }
    }

    /// What has to be done before anything can be committed, once. Never waits.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        self.mailbox.as_ref()?.request()
    }

    /// Whether there may be rows of an earlier process that nobody has seen yet.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| !mailbox.is_read())
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.mailbox
            .as_ref()
            .map_or(Health::Well, |mailbox| mailbox.health())
    }
}

/// Changes on their way to the disk.
#[derive(Debug, Clone)]
pub struct Written {
    number: u64,
    progress: watch::Receiver<Progress>,
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
        let committed = self.progress.wait_for(|progress| progress.number >= number);
        matches!(timeout(PATIENCE, committed).await, Ok(Ok(_)))
    }

    /// The same, but does not wait for a disk that is known to fail: for what happens often.
    ///
    /// Cancellation: changes nothing.
    pub async fn wait_unless_failing(mut self) -> bool {
        if self.number == 0 {
            return true;
        }
        let number = self.number;
        let is_over = |progress: &Progress| progress.number >= number || progress.is_failing;
        let reached = timeout(PATIENCE, self.progress.wait_for(is_over)).await;
        matches!(reached, Ok(Ok(progress)) if progress.number >= number)
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
impl State {
    /// The same where nobody counts descriptors.
    pub(crate) fn open_uncounted(folder: &Path) -> Result<(Self, Keeper, Kept), StateError> {
        Self::open(folder, Box::new(|| Box::new(())), &Registry::default())
    }
}

#[cfg(test)]
impl Written {
    /// Changes that are on disk once the function is called.
    pub(crate) fn pending() -> (impl FnOnce(), Self) {
        let (commits, progress) = watch::channel(Progress::default());
        let commit = move || {
            commits.send_replace(Progress {
                number: 1,
                is_failing: false,
            });
        };
        (commit, Self { number: 1, progress })
    }
}
