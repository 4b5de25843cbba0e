//! The sources of plugins: embedded ones and files.

use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::PluginError;
use super::isolated::blocking;
use canary_suite::PluginSource;
use canary_system::regular_file::Session;

/// Maximum size of a plugin in bytes. Plugins with a language runtime have about 20 MiB.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// The names of the plugins that are compiled into the runner, built from `plugins/` by the build script.
pub const EMBEDDED: [&str; 5] = ["http", "tls", "tcp", "script", "leak"];

/// Their components, compressed (RFC 1951). Not a constant, of which every use may be a copy.
static COMPONENTS: [&[u8]; EMBEDDED.len()] = [
    include_bytes!(concat!(env!("OUT_DIR"), "/http.deflate")),
    include_bytes!(concat!(env!("OUT_DIR"), "/tls.deflate")),
    include_bytes!(concat!(env!("OUT_DIR"), "/tcp.deflate")),
    include_bytes!(concat!(env!("OUT_DIR"), "/script.deflate")),
    include_bytes!(concat!(env!("OUT_DIR"), "/leak.deflate")),
];

/// The component of an embedded plugin; `None` if there is none of this name.
#[must_use]
pub fn embedded(name: &str) -> Option<Vec<u8>> {
    let mut embedded = EMBEDDED.iter().zip(&COMPONENTS);
    let (_, compressed) = embedded.find(|(known, _)| **known == name)?;
    let mut component = Vec::new();
    // It was compressed by the build script, so this does not fail.
    DeflateDecoder::new(*compressed)
        .read_to_end(&mut component)
        .ok()?;
    Some(component)
}

/// Reads the bytes of a plugin within the time that `session` has left, and returns the digest that the suite
/// requires.
pub(super) async fn read(
    name: &str,
    source: &PluginSource,
    session: &Session,
) -> Result<(Vec<u8>, Option<String>), PluginError> {
    match source {
        PluginSource::Embedded => match embedded(name) {
            Some(wasm) => Ok((wasm, None)),
            None => Err(PluginError::Unknown {
                name: name.to_owned(),
            }),
        },
        PluginSource::File { path, digest } => {
            let (own, session) = (path.clone(), session.clone());
            let wasm = blocking(move || session.read(&own, MAX_BYTES)).await?;
            let wasm = wasm.map_err(|source| unreadable(path, source))?;
            Ok((wasm, digest.clone()))
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
