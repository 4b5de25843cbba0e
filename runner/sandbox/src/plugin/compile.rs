//! Compiling and describing a component, in whichever process does it.

use wasmtime::component::Component;

use super::artefact::Artefact;
use super::refusal::Refusal;
use crate::{Engine, Sandbox, is_short_of_memory};

/// Compiles wasm. Takes seconds for a large component, and unbounded time for a hostile one.
pub(super) fn component(wasm: &[u8], engine: &Engine) -> Result<Component, Refusal> {
    engine.compile(wasm).map_err(|error| unusable(&error))
}

/// Links a component to the host and calls its `describe` within the sandbox's limits.
pub(super) async fn describe(component: &Component, sandbox: &Sandbox) -> Result<Artefact, Refusal> {
    let program = sandbox.link(component).map_err(Refusal::from)?;
    let described = sandbox.describe(&program).await;
    let description = described.map_err(|outcome| Refusal::Describe(outcome.summary()))?;
    Artefact::new(description, &serialize(component)?)
}

/// The component's machine code.
pub(super) fn serialize(component: &Component) -> Result<Vec<u8>, Refusal> {
    component.serialize().map_err(|error| unusable(&error))
}

/// Restores the component from machine code that this version of the compiler produced with these settings.
pub(super) fn restore(code: &[u8], engine: &Engine) -> Result<Component, Refusal> {
    #[expect(
        unsafe_code,
        reason = "machine code is trusted by where it comes from; that it comes from there is all that can be checked"
    )]
    // SAFETY: the bytes are in this process's own memory and no longer change. They are those that `serialize`
    // returned: just now, in this process or in another of this same program, or before the cache wrote them to a folder
    // that is this user's alone, with a digest that it verifies.
    let restored = unsafe { Component::deserialize(engine.wasmtime(), code) };
    restored.map_err(|error| unusable(&error))
}

fn unusable(error: &wasmtime::Error) -> Refusal {
    let reason = error.root_cause().to_string();
    if is_short_of_memory(error) {
        Refusal::NoMemory(reason)
    } else {
        Refusal::NotAComponent(reason)
    }
}

/// Checks the first eight bytes, with a message that is clearer than the compiler's.
pub(super) fn validate_preamble(wasm: &[u8]) -> Result<(), Refusal> {
    let reason = match wasm {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => "it is a core module; build it for `wasm32-wasip2`",
        [b'\0', b'a', b's', b'm', ..] => return Ok(()),
        _ => "it does not begin as wasm does",
    };
    Err(Refusal::NotAComponent(reason.to_owned()))
}
