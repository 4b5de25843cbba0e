//! The keys that a check, a profile and `defaults:` have in common, and how they are inherited.

use std::sync::Arc;

use serde_json::json;

use super::allow;
use super::config::{self, RawConfig};
use super::fields::{Located, Reader};
use super::inheritance::{Inheritance, MergeLimitExceeded};
use super::interpolate::Interpolator;
use super::labels::{self, RawLabels};
use super::schema_parts::{Key, text};
use super::setting::Setting;
use super::settings::{self, Settings};
use super::tree::Entry;
use crate::grant::{Grant, NameServer, SecretOrigin};

/// The keys other than settings.
pub(super) static OWN_KEYS: [Key; 6] = [
    Key {
        name: "plugin",
        description: "`http`, `tls`, `tcp`, `script`, or a name under `plugins`.",
        schema: || text(MAX_PLUGIN),
    },
    Key {
        name: "config",
        description: "Settings of the plugin.",
        schema: || json!({ "type": ["object", "null"] }),
    },
    Key {
        name: "allow",
        description: "Destinations that the check may reach besides its target, such as \
            `tcp://*.example.com:5432`, and names that it may look up, such as `dns://*.example.com`.",
        schema: allow::allow_schema,
    },
    Key {
        name: "redirect_secrets_to",
        description: "Origins to which a redirect may carry secrets of the check, such as \
            `https://login.example.com` [default: none but the target's].",
        schema: allow::redirect_secrets_to_schema,
    },
    Key {
        name: "name_servers",
        description: "Addresses of the check's DNS servers, such as `192.0.2.53` or `[2001:db8::53]:5353` [default: \
            those of the machine].",
        schema: allow::name_servers_schema,
    },
    Key {
        name: "labels",
        description: "Dimensions on every metric of the check.",
        schema: labels::schema,
    },
];

/// Maximum length of a plugin's name, in characters.
const MAX_PLUGIN: usize = 64;

/// The parsed keys of a check, a profile or `defaults:`.
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

/// The keys of a layer: its own, and those of the settings.
pub(super) fn keys() -> Vec<&'static str> {
    OWN_KEYS
        .iter()
        .map(|key| key.name)
        .chain(settings::KEYS)
        .collect()
}

impl Layer {
    /// Reads `entry` if its key belongs to a layer.
    pub(super) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        entry: &Entry,
        interpolator: &mut Interpolator<'_>,
    ) {
        match &*entry.key {
            "plugin" => {
                self.plugin = Setting::read(reader, entry, |reader, entry| {
                    let name = reader.text(entry, MAX_PLUGIN)?;
                    Some(Located::new(entry, Arc::clone(name)))
                });
            }
            "config" => self.config = config::read(reader, entry, interpolator).map(Arc::new),
            "allow" => self.allow = Setting::read_or_none(reader, entry, allow::allow),
            "redirect_secrets_to" => {
                self.redirect_secrets_to = Setting::read_or_none(reader, entry, allow::redirect_secrets_to);
            }
            "name_servers" => self.name_servers = Setting::read_or_none(reader, entry, allow::name_servers),
            "labels" => self.labels = Arc::new(RawLabels::read(reader, entry)),
            _ => self.settings.read(reader, entry),
        }
    }

    /// Reads a mapping that is only a layer.
    pub(super) fn from_entry(
        reader: &mut Reader<'_>,
        entry: &Entry,
        interpolator: &mut Interpolator<'_>,
    ) -> Self {
        let mut layer = Self::default();
        for entry in reader.mapping("", &entry.value, &keys()).unwrap_or_default() {
            layer.read(reader, entry, interpolator);
        }
        layer
    }

    /// Inherits what is not set here from `base`, except for the settings: labels and the mappings of a configuration
    /// are merged, lists and everything else replaced, and `null` removes an inherited value. A configuration belongs
    /// to the plugin that its layer names, if any.
    ///
    /// # Errors
    /// All checks together would take too much memory.
    pub(super) fn inherit(
        &mut self,
        base: &Self,
        inheritance: &mut Inheritance,
    ) -> Result<(), MergeLimitExceeded> {
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

    /// Whether both are for the same plugin, or one of them for any plugin.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let both = self.plugin.get().zip(other.plugin.get());
        both.is_none_or(|(own, other)| own.value == other.value)
    }
}
