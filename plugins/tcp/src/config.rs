//! What a suite writes under `config:`.

use canary_sdk::tcp::IpFamily;
use canary_sdk::tls::Settings;
use canary_sdk::{Addresses, ByteSize, Duration, Networks};
use schemars::JsonSchema;
use serde::Deserialize;

/// Bytes that one `expect` reads by default.
pub const DEFAULT_MAX_BYTES: ByteSize = ByteSize::from_bytes(8192);

/// How to connect, and what to send and expect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to try.
    pub ip_family: IpFamily,
    /// Whether one address of the name has to meet the expectations, or each of them.
    pub addresses: Addresses,
    /// Local address to connect from.
    pub source_address: Option<String>,
    /// Addresses and networks, one of which must contain the address that answered.
    pub peer_address: Option<Networks>,
    /// Limits of the time to resolve, to connect and, with `tls`, for the handshake.
    pub latency: Option<Latency>,
    /// TLS from the first byte; `{}` uses the defaults.
    pub tls: Option<Settings>,
    /// The conversation, step by step. Without one a connection is enough.
    #[schemars(length(min = 1, max = 100))]
    pub dialogue: Vec<Step>,
}

/// When a connection is too slow.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Warn above this.
    pub warn: Option<Duration>,
    /// Fail above this.
    pub fail: Option<Duration>,
}

/// One step of a conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Text to send. `${name}` stands for what an earlier step captured, `$${` for `${`.
    Send(String),
    /// Bytes to send.
    SendHex(Hex),
    /// What must be received.
    Expect(Expect),
    /// TLS from here on; `{}` uses the defaults.
    StartTls(Settings),
}

/// What must be received: exactly one of `matches`, `contains`, `equals` and `hex`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["matches"] }, { "required": ["contains"] }, { "required": ["equals"] }, { "required": ["hex"] },
]))]
pub struct Expect {
    /// A regular expression that a received line must match; lines before it are skipped. `(?<name>..)` captures.
    pub matches: Option<String>,
    /// Text that must be received; anything before it is skipped.
    #[schemars(length(min = 1))]
    pub contains: Option<String>,
    /// Text that must be received next, exactly.
    #[schemars(length(min = 1))]
    pub equals: Option<String>,
    /// Bytes that must be received next.
    pub hex: Option<Hex>,
    /// Maximum bytes to read.
    pub max_bytes: ByteSize,
    /// How long it may take.
    pub within: Option<Duration>,
}

impl Default for Expect {
    fn default() -> Self {
        let (matches, contains, equals, hex, within) = Default::default();
        Self {
            matches,
            contains,
            equals,
            hex,
            max_bytes: DEFAULT_MAX_BYTES,
            within,
        }
    }
}

/// Bytes in hexadecimal; spaces and colons between them are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend(
    "pattern" = "^([0-9A-Fa-f]{2}[ :]?)+$",
    "patternErrorMessage" = "bytes in hexadecimal digits, such as `0d 0a`"
))]
pub struct Hex(#[schemars(with = "String")] pub Vec<u8>);

/// Why a text is not hexadecimal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not bytes in hexadecimal such as `00 ff`")]
pub struct HexError(String);

impl TryFrom<String> for Hex {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        let digits: Vec<u32> = match text
            .chars()
            .filter(|c| !matches!(c, ' ' | ':'))
            .map(|c| c.to_digit(16))
            .collect()
        {
            Some(digits) => digits,
            None => return Err(HexError(text)),
        };
        let (pairs, []) = digits.as_chunks::<2>() else {
            return Err(HexError(text));
        };
        let bytes = pairs
            .iter()
            .map(|[high, low]| u8::try_from(high << 4 | low).unwrap_or_default());
        Ok(Self(bytes.collect()))
    }
}
