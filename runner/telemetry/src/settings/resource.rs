//! The OpenTelemetry resource of everything that is exported.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_semantic_conventions::resource as name;

use super::Settings;

/// The process attributes of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `service.instance.id`: unique for each start.
    pub instance: String,
    /// `service.version` and `telemetry.sdk.version`.
    pub version: &'static str,
    /// `host.name`.
    pub host: String,
    /// `process.pid`.
    pub id: u32,
    /// `os.type`: the kernel's name in lower case.
    pub os: String,
}

impl Process {
    /// The current process. `instance` is a random UUID or otherwise unique for each start.
    #[must_use]
    pub fn current(instance: String) -> Self {
        let system = rustix::system::uname();
        Self {
            instance,
            version: env!("CARGO_PKG_VERSION"),
            host: system.nodename().to_string_lossy().into_owned(),
            id: std::process::id(),
            os: system.sysname().to_string_lossy().to_ascii_lowercase(),
        }
    }
}

/// The resource (<https://opentelemetry.io/docs/specs/semconv/resource/>). Configured attributes override detected
/// ones, except for `telemetry.sdk.*`, which identify the producer of the data.
#[must_use]
pub fn resource(settings: &Settings, process: &Process) -> Resource {
    let text = |text: &str| Value::StringValue(text.to_owned());
    let mut attributes: Vec<(&str, Value)> = vec![
        (name::SERVICE_NAME, text(&settings.service_name)),
        (name::SERVICE_VERSION, text(process.version)),
        (name::SERVICE_INSTANCE_ID, text(&process.instance)),
        (name::HOST_NAME, text(&process.host)),
        (name::PROCESS_PID, Value::IntValue(process.id.into())),
        (name::OS_TYPE, text(&process.os)),
    ];
    let sdk = [
        (name::TELEMETRY_SDK_NAME, text("canary")),
        (name::TELEMETRY_SDK_LANGUAGE, text("rust")),
        (name::TELEMETRY_SDK_VERSION, text(process.version)),
    ];
    let own = settings
        .resource
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)));
    for (name, value) in own.chain(sdk) {
        match attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => attributes.push((name, value)),
        }
    }
    Resource {
        attributes: attributes
            .into_iter()
            .map(|(name, value)| attribute(name, value))
            .collect(),
        ..Resource::default()
    }
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
