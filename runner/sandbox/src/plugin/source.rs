//! The sources of plugins: embedded ones and files.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use super::PluginError;
use super::isolated::blocking;
use canary_suite::PluginSource;
use canary_system::regular_file::Session;

/// Maximum size of a plugin in bytes. Plugins with a language runtime have about 20 MiB.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// The plugins that are compiled into the runner, built from `plugins/` by the build script.
pub const EMBEDDED: [(&str, &[u8]); 4] = [
    ("http", include_bytes!(env!("CANARY_PLUGIN_HTTP"))),
    ("tls", include_bytes!(env!("CANARY_PLUGIN_TLS"))),
    ("tcp", include_bytes!(env!("CANARY_PLUGIN_TCP"))),
    ("leak", include_bytes!(env!("CANARY_PLUGIN_LEAK"))),
];

/// The bytes of an embedded plugin.
#[must_use]
pub fn embedded(name: &str) -> Option<&'static [u8]> {
    EMBEDDED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, wasm)| *wasm)
}

/// Reads the bytes of a plugin within the time that `session` has left, and returns the digest that the suite
/// requires.
pub(super) async fn read(
    name: &str,
    source: &PluginSource,
    session: &Session,
) -> Result<(Cow<'static, [u8]>, Option<String>), PluginError> {
    match source {
        PluginSource::Embedded => match embedded(name) {
            Some(wasm) => Ok((Cow::Borrowed(wasm), None)),
            None => Err(PluginError::Unknown {
                name: name.to_owned(),
            }),
        },
        PluginSource::File { path, digest } => {
            let (own, session) = (path.clone(), session.clone());
            let wasm = blocking(move || session.read(&own, MAX_BYTES)).await?;
            let wasm = wasm.map_err(|source| unreadable(path, source))?;
            Ok((Cow::Owned(wasm), digest.clone()))
        }
    }
}

fn unreadable(path: &Path, source: io::Error) -> PluginError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::FileTooLarge => PluginError::TooLarge { path },
        _ => PluginError::Read { path, source },
    }
}
