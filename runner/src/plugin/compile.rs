//! Compiled components, kept on disk.
//!
//! Machine code from disk is trusted code: it is loaded only from a folder that nobody else can write to, under a
//! name made of the wasm's digest and the engine's own hash of version and settings.

use std::borrow::Cow;
use std::hash::{Hash as _, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use wasmtime::component::Component;

use super::PluginError;
use crate::sandbox::Engine;

/// Where compiled plugins are kept. Without a folder every plugin is compiled at each start.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Told the name of each plugin that is compiled, which takes a while.
    notice: Option<fn(&str)>,
}

impl Cache {
    /// Keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps compiled plugins in `folder`, which is made with mode 0700 when it is not there.
    ///
    /// # Errors
    /// The folder cannot be made, or others than this user may write to it.
    pub fn at(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let metadata = fs::metadata(folder)?;
        let is_own = metadata.uid() == rustix::process::getuid().as_raw();
        if !is_own || metadata.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("others may write to `{}`", folder.display()),
            ));
        }
        Ok(Self {
            folder: Some(folder.to_owned()),
            notice: None,
        })
    }

    /// Tells `notice` the name of each plugin before it is compiled.
    #[must_use]
    pub fn noticing(self, notice: fn(&str)) -> Self {
        Self {
            notice: Some(notice),
            ..self
        }
    }

    /// The component, from disk or compiled now.
    pub(super) async fn component(
        &self,
        name: &str,
        digest: &str,
        wasm: Cow<'static, [u8]>,
        engine: &Engine,
    ) -> Result<Component, PluginError> {
        let place = self
            .folder
            .as_ref()
            .map(|folder| folder.join(file_name(digest, engine)));
        if let Some(component) = place.as_deref().and_then(|place| load(place, engine)) {
            return Ok(component);
        }
        judge_preamble(&wasm)?;
        if let Some(notice) = self.notice {
            notice(name);
        }
        let compiler = engine.clone();
        let compiled = tokio::task::spawn_blocking(move || -> wasmtime::Result<Component> {
            let component = compiler.compile(&wasm)?;
            // A cache that cannot be written costs the next start a second, no more.
            let _kept = place.map(|place| store(&place, &component));
            Ok(component)
        });
        match compiled.await {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => Err(PluginError::NotAComponent(error.root_cause().to_string())),
            Err(panic) => Err(PluginError::NotAComponent(format!(
                "the compiler failed: {panic}"
            ))),
        }
    }
}

/// Says what the compiler would say of the first eight bytes, in words for people.
fn judge_preamble(wasm: &[u8]) -> Result<(), PluginError> {
    let reason = match wasm {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => "it is a core module; build it for `wasm32-wasip2`",
        [b'\0', b'a', b's', b'm', ..] => return Ok(()),
        _ => "it does not begin as wasm does",
    };
    Err(PluginError::NotAComponent(reason.to_owned()))
}

fn file_name(digest: &str, engine: &Engine) -> String {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    engine
        .wasmtime()
        .precompile_compatibility_hash()
        .hash(&mut hasher);
    format!("{digest}-{}.cwasm", hex::encode(hasher.finish().to_be_bytes()))
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

fn load(place: &Path, engine: &Engine) -> Option<Component> {
    if !place.exists() {
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "the folder is this user's alone and the name ties the file to this engine"
    )]
    // SAFETY: only `store` writes to the folder, files that this engine version serialised.
    let loaded = unsafe { Component::deserialize_file(engine.wasmtime(), place) };
    loaded.ok()
}

/// Written beside and renamed, so that a half-written file is never loaded.
fn store(place: &Path, component: &Component) -> wasmtime::Result<()> {
    let part = place.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, component.serialize()?)?;
    fs::rename(&part, place)?;
    Ok(())
}
