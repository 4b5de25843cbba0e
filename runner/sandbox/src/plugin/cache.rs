//! The cache of compiled plugins on disk.
//!
//! Machine code from disk is trusted code: it is read only from a folder that no other user can write to, and only if
//! it is unchanged. A file is read whole, and its digest is verified before any of its bytes is used.

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
use crate::Engine;
use canary_system::regular_file::{self, Owner};

/// A folder for compiled plugins. Without a folder every plugin is compiled at each start.
///
/// Several processes may share a folder. Files that were not used for 90 days are removed, and the least recently
/// used ones if there are more than 256 or they exceed 1 GiB together.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
}

/// Why the cache folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be created or read.
    #[error("cannot use the folder `{}` for compiled plugins", .folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Other users could write machine code there.
    #[error("`{}` is writable by other users", .folder.display())]
    WritableByOthers {
        /// Which folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The content of a file is not what was written.
    #[error("`{}` is damaged", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Cache {
    /// A cache that stores nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }

    /// Opens a cache in `folder`, which is created with mode 0700 if it does not exist. Files that exceed the limits
    /// are evicted.
    ///
    /// # Errors
    /// The folder cannot be used, or other users may write to it.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let own = folder.to_owned();
        let prepared = regular_file::with_timeout(Owner::PluginCache, folder, move || prepare(&own));
        let failed = |source| CacheError::Folder {
            folder: folder.to_owned(),
            source,
        };
        prepared.map_err(failed)??;
        Ok(Self {
            folder: Some(folder.to_owned()),
        })
    }

    /// Reads the artefact of a plugin for this engine. Blocks on the disk.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
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

    /// Writes the artefact of a plugin. Blocks on the disk for ten seconds at most.
    ///
    /// # Errors
    /// It was not written.
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
        // The disk may hang: the plugin is compiled and can be used in any case.
        let written = regular_file::with_timeout(Owner::PluginCache, &path, move || {
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
        entry::MAGIC.hash(&mut hasher);
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
    let is_owned_by_user = metadata.uid() == rustix::process::getuid().as_raw();
    if !is_owned_by_user || metadata.permissions().mode() & 0o022 != 0 {
        return Err(CacheError::WritableByOthers {
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

/// Reads the whole file and marks it as used now, which restarts its age.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let own = path.to_owned();
    regular_file::with_timeout(Owner::PluginCache, path, move || {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(own)?;
        let most = artefact::MAX_BYTES + entry::HEADER;
        let length = file.metadata()?.len();
        if length > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // On a read-only disk it ages from when it was written.
        let _untouched = file.set_modified(SystemTime::now());
        let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    })?
}

/// Writes a temporary file, syncs and renames it, so that neither another process nor a power failure leaves half a
/// file under its name.
fn write(folder: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let prefix = format!("{}.", String::from_utf8_lossy(file_name(path)));
    let mut part = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(evict::PART_SUFFIX)
        .tempfile_in(folder)?;
    for bytes in parts {
        part.write_all(bytes)?;
    }
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    // The file is complete and usable; if a power failure loses the rename, the plugin is compiled again.
    let _synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// FNV-1a, which is stable across builds of the runner, unlike the standard library's hash.
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
