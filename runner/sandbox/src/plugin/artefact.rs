//! The compiled form of a plugin: its machine code and its description.

use super::refusal::Refusal;
use crate::Description;

/// Maximum size of an artefact, in bytes.
pub(super) const MAX_BYTES: u64 = 256 << 20;
/// Maximum size of a config schema, in bytes.
const MAX_SCHEMA: usize = 1 << 20;
/// Maximum size of each other text of a description, in bytes.
const MAX_TEXT: usize = 4 << 10;
/// Maximum number of declared measurements.
const MAX_METRICS: usize = 256;
/// Maximum number of declared secrets.
const MAX_SECRETS: usize = 64;
/// Bytes of the length prefix of the description.
const LENGTH_PREFIX: usize = size_of::<u32>();

/// Machine code with the plugin's description. Encoded as the length of the description in four little-endian bytes,
/// the description in JSON, and the code.
#[derive(Debug)]
pub(super) struct Artefact {
    pub(super) description: Description,
    bytes: Vec<u8>,
    code_at: usize,
}

impl Artefact {
    /// Encodes a description and its code.
    ///
    /// # Errors
    /// The description exceeds a limit.
    pub(super) fn new(description: Description, code: &[u8]) -> Result<Self, Refusal> {
        validate(&description)?;
        let unwritable = |error: String| Refusal::Describe(format!("it cannot be serialized: {error}"));
        let text = serde_json::to_vec(&description).map_err(|error| unwritable(error.to_string()))?;
        let length = u32::try_from(text.len()).map_err(|error| unwritable(error.to_string()))?;
        let bytes = [&length.to_le_bytes(), text.as_slice(), code].concat();
        Ok(Self {
            description,
            code_at: LENGTH_PREFIX + text.len(),
            bytes,
        })
    }

    /// Decodes [`Artefact::bytes`]; `None` if the bytes are not an artefact or the description exceeds a limit.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<LENGTH_PREFIX>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let description: Description = serde_json::from_slice(rest.get(..length)?).ok()?;
        validate(&description).ok()?;
        Some(Self {
            description,
            code_at: LENGTH_PREFIX + length,
            bytes,
        })
    }

    /// Size of the encoding, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len().try_into().unwrap_or(u64::MAX)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The machine code as the engine serialised it.
    pub(super) fn code(&self) -> &[u8] {
        self.bytes.get(self.code_at..).unwrap_or_default()
    }
}

/// Checks a description against the limits: it stays in memory while the plugin is in use, and is shown to people.
fn validate(description: &Description) -> Result<(), Refusal> {
    let Description {
        name,
        version,
        summary,
        target_syntax,
        config_schema,
        measurements,
        secrets,
    } = description;
    if config_schema.len() > MAX_SCHEMA {
        let most = MAX_SCHEMA >> 20;
        return Err(Refusal::Describe(format!(
            "its config schema is larger than {most} MiB"
        )));
    }
    let texts = [
        ("name", name),
        ("version", version),
        ("summary", summary),
        ("target syntax", target_syntax),
    ];
    let lists = [
        ("measurements", measurements.len(), MAX_METRICS),
        ("secrets", secrets.len(), MAX_SECRETS),
    ];
    if let Some((what, _, most)) = lists.iter().find(|(_, count, most)| count > most) {
        return Err(Refusal::Describe(format!("it declares more than {most} {what}")));
    }
    let metrics = measurements
        .iter()
        .flat_map(|metric| [&metric.name, &metric.unit, &metric.text])
        .map(|text| ("text of a measurement", text));
    let places = secrets.iter().map(|place| ("place of a secret", place));
    let mut texts = texts.into_iter().chain(metrics).chain(places);
    match texts.find(|(_, text)| text.len() > MAX_TEXT) {
        Some((what, _)) => {
            let most = MAX_TEXT >> 10;
            Err(Refusal::Describe(format!("its {what} is larger than {most} KiB")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(schema: &str) -> Description {
        Description {
            name: "p".to_owned(),
            version: "1".to_owned(),
            summary: "s".to_owned(),
            target_syntax: "URL".to_owned(),
            config_schema: schema.to_owned(),
            ..Description::default()
        }
    }

    #[test]
    fn an_artefact_is_read_back_as_it_was() {
        let artefact = Artefact::new(description("{}"), b"code").unwrap();
        let again = Artefact::parse(artefact.bytes().to_vec()).unwrap();
        assert_eq!(
            (again.code(), again.description.config_schema.as_str()),
            (&b"code"[..], "{}")
        );
    }

    #[test]
    fn what_is_cut_short_is_no_artefact() {
        let artefact = Artefact::new(description("{}"), b"").unwrap();
        for length in 0..artefact.bytes().len() {
            assert!(
                Artefact::parse(artefact.bytes()[..length].to_vec()).is_none(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_description_has_a_largest_size() {
        let schema = " ".repeat(MAX_SCHEMA + 1);
        let refused = Artefact::new(description(&schema), b"").unwrap_err();
        assert_eq!(
            refused,
            Refusal::Describe("its config schema is larger than 1 MiB".to_owned())
        );
        let named = Description {
            summary: "s".repeat(MAX_TEXT + 1),
            ..description("{}")
        };
        let refused = Artefact::new(named, b"").unwrap_err();
        assert_eq!(
            refused,
            Refusal::Describe("its summary is larger than 4 KiB".to_owned())
        );
    }
}
