//! Artefacts, kept on disk between starts.
//!
//! Machine code from disk is trusted code: it is taken only from a folder that nobody else can write to, and only when
//! it is what was written there. A file is read whole, and its digest is compared before any of those bytes is used.

mod entry;
mod evict;
#[cfg(test)]
mod tests;

use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fs, fs::File};

use rustix::fs::OFlags;

use super::artefact::{self, Artefact};
use crate::regular_file::{self, Owner};
use crate::sandbox::Engine;

/// Where compiled plugins are kept. Without a folder every plugin is compiled at each start.
///
/// Several processes may share a folder. Files that were not used for 90 days are removed, and the longest unused ones
/// when there are more than 256 or they are larger than 1 GiB together.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// A folder for compiled plugins, or a file in it, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made or looked into.
    #[error("cannot use the folder `{}` for compiled plugins", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Of the operating system.
        source: io::Error,
    },
    /// Others than this user could put machine code there.
    #[error("others may write to `{}`", .folder.display())]
    NotOwn {
        /// Which.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Of the operating system.
        source: io::Error,
    },
    /// A file is not what was written there.
    #[error("`{}` is damaged", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Of the operating system.
        source: io::Error,
    },
}

impl Cache {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps compiled plugins in `folder`, which is made with mode 0700 when it is not there. What is too old or too
    /// much there is removed.
    ///
    /// # Errors
    /// The folder cannot be used, or others than this user may write to it.
    pub fn at(folder: &Path) -> Result<Self, CacheError> {
        let own = folder.to_owned();
        let prepared = regular_file::within(Owner::PluginCache, folder, move || prepare(&own));
        let failed = |source| CacheError::Folder {
            folder: folder.to_owned(),
            source,
        };
        prepared.map_err(failed)??;
        Ok(Self {
            folder: Some(folder.to_owned()),
        })
    }

    /// What was kept of a plugin for this engine. Waits for the disk.
    ///
    /// # Errors
    /// What is there cannot be used, for this reason.
    pub(super) fn read(&self, digest: &str, engine: &Engine) -> Result<Option<Artefact>, CacheError> {
        let Some(path) = self.path(digest, engine) else {
            return Ok(None);
        };
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CacheError::Read { path, source }),
        };
        let artefact = entry::verified(file_name(&path), bytes).and_then(Artefact::parse);
        artefact.map(Some).ok_or(CacheError::Damaged { path })
    }

    /// Keeps what a plugin was compiled to. Waits for the disk, for ten seconds at most.
    ///
    /// # Errors
    /// It is not kept.
    pub(super) fn write(
        &self,
        digest: &str,
        engine: &Engine,
        artefact: &Arc<Artefact>,
    ) -> Result<(), CacheError> {
        let Some((path, folder)) = self.path(digest, engine).zip(self.folder.as_deref()) else {
            return Ok(());
        };
        let (own, folder, artefact) = (path.clone(), folder.to_owned(), Arc::clone(artefact));
        // The disk may hang: the plugin is compiled, and can be used all the same.
        let written = regular_file::within(Owner::PluginCache, &path, move || {
            let header = entry::header(file_name(&own), artefact.bytes());
            if !evict::evict(&folder, SystemTime::now()) {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            let written = write(&folder, &own, &[&header, artefact.bytes()]);
            let _room = evict::evict(&folder, SystemTime::now());
            written
        });
        written
            .flatten()
            .map_err(|source| CacheError::Write { path, source })
    }

    fn path(&self, digest: &str, engine: &Engine) -> Option<PathBuf> {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        entry::MARK.hash(&mut hasher);
        engine
            .wasmtime()
            .precompile_compatibility_hash()
            .hash(&mut hasher);
        let engine = hex::encode(hasher.finish().to_be_bytes());
        Some(self.folder.as_ref()?.join(format!("{digest}-{engine}.cwasm")))
    }
}

fn prepare(folder: &Path) -> Result<(), CacheError> {
    let failed = |source| CacheError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let metadata = fs::metadata(folder).map_err(failed)?;
    let is_own = metadata.uid() == rustix::process::getuid().as_raw();
    if !is_own || metadata.permissions().mode() & 0o022 != 0 {
        return Err(CacheError::NotOwn {
            folder: folder.to_owned(),
        });
    }
    let _room = evict::evict(folder, SystemTime::now());
    Ok(())
}

fn file_name(path: &Path) -> &[u8] {
    path.file_name()
        .map(std::ffi::OsStr::as_encoded_bytes)
        .unwrap_or_default()
}

/// The whole file, which is used now, so that its age begins anew.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let own = path.to_owned();
    regular_file::within(Owner::PluginCache, path, move || {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(own)?;
        let most = artefact::LARGEST + entry::HEADER;
        let length = file.metadata()?.len();
        if length > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // On a disk that takes no writes it grows old from when it was written.
        let _untouched = file.set_modified(SystemTime::now());
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    })?
}

/// Written beside and renamed, each of them on the disk before the next: neither another process nor a power cut meets
/// half a file under its name.
fn write(folder: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let prefix = format!("{}.", String::from_utf8_lossy(file_name(path)));
    let mut part = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(evict::PART)
        .tempfile_in(folder)?;
    for bytes in parts {
        part.write_all(bytes)?;
    }
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    // The file is whole, and used from now on; what a power cut takes of it is compiled again.
    let _synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// A hash that is the same in every build of the runner, unlike the standard library's.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}
