//! The parsed form of a suite. Each field is valid by itself; relations between fields are validated later.

use std::path::PathBuf;
use std::sync::Arc;

use super::check;
use super::fields::Reader;
use super::file_keys::SUITE_KEYS;
use super::group::{self, RawGroup};
use super::interpolate::Interpolator;
use super::layer::Layer;
use super::maintenance::syntax::{self as maintenance_syntax, RawWindow};
use super::mismatch::Mismatch;
use super::names::{is_key_name, key_name_hint};
use super::profile::{self, Profile};
use super::report::Report;
use super::setting::Setting;
use super::source::Source;
use super::tree::{Entry, Kind, Node, quoted};
use super::{PluginDeclaration, PluginSource};
use crate::problem::Position;

pub(super) const PLUGIN_KEYS: [&str; 2] = ["path", "digest"];

/// Maximum number of plugins of a file.
const MAX_PLUGINS: usize = 1_000;
/// Maximum length of a path, in characters.
const MAX_PATH: usize = 4_096;
const DIGEST_PREFIX: &str = "sha256:";
const DIGEST_DIGITS: usize = 64;

/// One file of the suite.
pub(super) struct RawFile {
    pub(super) source: Arc<Source>,
    pub(super) defaults: Layer,
    pub(super) defaults_at: Option<Position>,
    pub(super) profiles: Vec<Arc<Profile>>,
    pub(super) plugins: Vec<PluginDeclaration>,
    /// Names of plugins whose declarations are invalid, which was reported.
    pub(super) invalid_plugins: Vec<Arc<str>>,
    pub(super) groups: Vec<RawGroup>,
    pub(super) maintenance: Vec<RawWindow>,
    pub(super) checks: Vec<check::RawCheck>,
    /// Whether the file has checks of its own, even if all are invalid.
    pub(super) has_checks: bool,
}

/// Reads a file.
pub(super) fn file(
    source: &Arc<Source>,
    root: &Node,
    interpolator: &mut Interpolator<'_>,
    report: &mut Report,
) -> RawFile {
    let mut file = RawFile {
        source: Arc::clone(source),
        defaults: Layer::default(),
        defaults_at: None,
        profiles: Vec::new(),
        plugins: Vec::new(),
        invalid_plugins: Vec::new(),
        groups: Vec::new(),
        maintenance: Vec::new(),
        checks: Vec::new(),
        // A file that is not a mapping may have been meant to hold checks.
        has_checks: !matches!(root.kind, Kind::Map(_)),
    };
    let mut reader = Reader {
        source,
        report,
        subject: String::new(),
    };
    let entries = reader.mapping_or("a suite: ", root, &SUITE_KEYS, Mismatch::unknown_key_of_suite);
    for entry in entries.unwrap_or_default() {
        match &*entry.key {
            key if entry.value.is_null() && key != "checks" => {}
            "defaults" => {
                file.defaults_at = Some(entry.at);
                reader.subject = "`defaults`: ".to_owned();
                file.defaults = Layer::from_entry(&mut reader, entry, interpolator);
                reader.subject.clear();
            }
            "profiles" => file.profiles = profile::profiles(&mut reader, source, entry, interpolator),
            "plugins" => (file.plugins, file.invalid_plugins) = plugins(&mut reader, entry),
            "groups" => file.groups = group::groups(&mut reader, entry),
            "maintenance" => file.maintenance = maintenance_syntax::windows(&mut reader, source, entry),
            "checks" => {
                file.has_checks = true;
                file.checks = check::checks(&mut reader, source, entry, interpolator);
            }
            _ => {}
        }
    }
    file
}

/// The valid declarations, and the names of the invalid ones.
fn plugins(reader: &mut Reader<'_>, entry: &Entry) -> (Vec<PluginDeclaration>, Vec<Arc<str>>) {
    let Kind::Map(entries) = &entry.value.kind else {
        let message = format!("`plugins`: expected a mapping, found {}", entry.value.found());
        let hint = "write `NAME: { path: FILE.wasm }` for each plugin".to_owned();
        reader.problem_with(entry.value.at, message, Some(hint));
        return (Vec::new(), Vec::new());
    };
    if entries.len() > MAX_PLUGINS {
        reader.problem(
            entry.at,
            format!(
                "`plugins`: {} plugins; allowed: up to {MAX_PLUGINS}",
                entries.len()
            ),
        );
    }
    let (mut declared, mut invalid) = (Vec::new(), Vec::new());
    for entry in entries.iter().take(MAX_PLUGINS) {
        reader.subject = format!("plugin {}: ", quoted(&entry.key));
        match plugin(reader, entry) {
            Some(plugin) => declared.push(plugin),
            None => invalid.push(Arc::clone(&entry.key)),
        }
    }
    reader.subject.clear();
    (declared, invalid)
}

fn plugin(reader: &mut Reader<'_>, entry: &Entry) -> Option<PluginDeclaration> {
    if !is_key_name(&entry.key) {
        reader.problem_with(entry.at, "invalid plugin name", Some(key_name_hint()));
    }
    let (mut path, mut digest) = (Setting::default(), Setting::default());
    for field in reader.fields("", &entry.value, &PLUGIN_KEYS)? {
        match &*field.key {
            "path" => path = Setting::read(reader, field, |r, field| r.text(field, MAX_PATH).cloned()),
            "digest" => digest = Setting::read(reader, field, read_digest),
            _ => {}
        }
    }
    if !path.is_written() {
        reader.problem(entry.at, "`path` is missing");
    }
    let path = path.get()?;
    let digest = match digest {
        Setting::Invalid => return None,
        digest => digest.get().cloned(),
    };
    Some(PluginDeclaration {
        name: entry.key.to_string(),
        source: PluginSource::File {
            path: reader.source.directory().join(PathBuf::from(&**path)),
            digest,
        },
        location: reader.source.location(entry.at),
    })
}

fn read_digest(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let text = reader.raw_text(entry)?;
    let digits = text.strip_prefix(DIGEST_PREFIX).map(str::to_ascii_lowercase);
    let is_digest = |digits: &String| {
        digits.len() == DIGEST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let digest = digits.filter(is_digest);
    if digest.is_none() {
        let message = format!("`digest`: expected `{DIGEST_PREFIX}` and {DIGEST_DIGITS} hexadecimal digits");
        let hint = "print it with `sha256sum FILE.wasm`".to_owned();
        reader.problem_with(entry.value.at, message, Some(hint));
    }
    digest
}
