//! Where plugins come from.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::PluginError;

/// The largest plugin that is read, in bytes. Language runtimes come to some 20 MiB.
pub(super) const LARGEST: u64 = 64 << 20;

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

pub(super) fn read(path: &Path) -> Result<Vec<u8>, PluginError> {
    let failed = |source| PluginError::Read {
        path: path.to_owned(),
        source,
    };
    // A pipe or a device could block for ever.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Err(failed(error));
    }
    let file = File::open(path).map_err(failed)?;
    let mut wasm = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut wasm).map_err(failed)?;
    match u64::try_from(wasm.len()) {
        Ok(length) if length <= LARGEST => Ok(wasm),
        _ => Err(PluginError::TooLarge {
            path: path.to_owned(),
        }),
    }
}
