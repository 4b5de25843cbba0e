//! What a check, a profile and `defaults:` have in common, and how one is laid over another.

use std::sync::Arc;

use super::allow;
use super::check::raw_config;
use super::config::RawConfig;
use super::fields::{Located, Reader};
use super::inheritance::{Inheritance, TooMuch};
use super::interpolate::Interpolator;
use super::labels::RawLabels;
use super::setting::Setting;
use super::settings::{self, Settings};
use super::tree::Entry;
use crate::grant::{Grant, NameServer, SecretOrigin};

/// Besides the settings.
const OWN_KEYS: [&str; 6] = [
    "plugin",
    "config",
    "allow",
    "redirect_secrets_to",
    "name_servers",
    "labels",
];

/// Characters of the name of a plugin.
const MAX_PLUGIN: usize = 64;

/// What is written, in a check, in a profile or in `defaults:`.
#[derive(Clone, Default)]
pub(super) struct Layer {
    pub(super) plugin: Setting<Located<Arc<str>>>,
    pub(super) config: Option<Arc<RawConfig>>,
    pub(super) allow: Setting<Arc<[Grant]>>,
    pub(super) redirect_secrets_to: Setting<Arc<[SecretOrigin]>>,
    pub(super) name_servers: Setting<Arc<[NameServer]>>,
    pub(super) labels: Arc<RawLabels>,
    pub(super) settings: Settings,
}

/// The keys of a layer: its own, and settings.
pub(super) fn keys() -> Vec<&'static str> {
    [OWN_KEYS.as_slice(), settings::KEYS.as_slice()].concat()
}

impl Layer {
    /// Takes `entry` in when it belongs to a layer.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        entry: &Entry,
        interpolator: &mut Interpolator<'_>,
    ) {
        match &*entry.key {
            "plugin" => {
                self.plugin = Setting::of(reader, entry, |reader, entry| {
                    let name = reader.text(entry, MAX_PLUGIN)?;
                    Some(Located::of(entry, Arc::clone(name)))
                });
            }
            "config" => self.config = raw_config(reader, entry, interpolator).map(Arc::new),
            "allow" => self.allow = Setting::of_or_none(reader, entry, allow::allow),
            "redirect_secrets_to" => {
                self.redirect_secrets_to = Setting::of_or_none(reader, entry, allow::redirect_secrets_to);
            }
            "name_servers" => self.name_servers = Setting::of_or_none(reader, entry, allow::name_servers),
            "labels" => self.labels = Arc::new(RawLabels::read(reader, entry)),
            _ => self.settings.read(reader, entry),
        }
    }

    /// Reads a mapping that is a layer and nothing else.
    pub(super) fn of(reader: &mut Reader<'_>, entry: &Entry, interpolator: &mut Interpolator<'_>) -> Self {
        let mut layer = Self::default();
        for entry in reader.mapping("", &entry.value, &keys()).unwrap_or_default() {
            layer.read(reader, entry, interpolator);
        }
        layer
    }

    /// Takes what is not written here from `base`, all but the settings: labels and the mappings of a configuration are
    /// merged, lists and everything else replaced, and `null` takes back what is below. A configuration is for the plugin that
    /// its layer names, if it does.
    ///
    /// # Errors
    /// When that takes too much memory for all checks together.
    pub(super) fn inherit(&mut self, base: &Self, inheritance: &mut Inheritance) -> Result<(), TooMuch> {
        self.plugin = self.plugin.over(&base.plugin);
        if self.agrees_with(base) {
            self.config = match (&self.config, &base.config) {
                (Some(own), Some(base)) => Some(inheritance.config(own, base)?),
                (own, base) => own.as_ref().or(base.as_ref()).cloned(),
            };
        }
        self.allow = self.allow.over(&base.allow);
        self.redirect_secrets_to = self.redirect_secrets_to.over(&base.redirect_secrets_to);
        self.name_servers = self.name_servers.over(&base.name_servers);
        self.labels = inheritance.labels(&self.labels, &base.labels)?;
        Ok(())
    }

    /// Whether both are for the same plugin, or one of them for any.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let both = self.plugin.get().zip(other.plugin.get());
        both.is_none_or(|(own, other)| own.value == other.value)
    }
}
