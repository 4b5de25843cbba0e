//! Compiling a component, and asking it what it is: in whatever process is to do it.

use wasmtime::component::Component;

use super::artefact::Artefact;
use super::refusal::Refusal;
use crate::sandbox::{Engine, Program, Sandbox, is_short_of_memory};

/// Compiles wasm. Takes seconds for a large component, and as long as it likes for a hostile one.
pub(super) fn component(wasm: &[u8], engine: &Engine) -> Result<Component, Refusal> {
    engine.compile(wasm).map_err(|error| unusable(&error))
}

/// Links a component to the host, and lets it describe itself within the sandbox's limits.
pub(super) async fn describe(
    component: &Component,
    sandbox: &Sandbox,
) -> Result<(Program, Artefact), Refusal> {
    let program = sandbox.link(component).map_err(Refusal::from)?;
    let described = sandbox.describe(&program).await;
    let description = described.map_err(|outcome| Refusal::Describe(outcome.summary()))?;
    let code = component.serialize().map_err(|error| unusable(&error))?;
    Ok((program, Artefact::new(description, &code)?))
}

/// The component of machine code that was made by this version of the compiler, with these settings.
pub(super) fn restore(code: &[u8], engine: &Engine) -> Result<Component, Refusal> {
    #[expect(
        unsafe_code,
        reason = "machine code is trusted by where it comes from; that it comes from there is all that can be checked"
    )]
    // SAFETY: the bytes are in this process's own memory, where nobody changes them any more. They are those that
    // `describe` serialised: the cache holds them to the digest that was written with them, in a folder that is this
    // user's alone; or a process of this very program has just handed them over.
    let restored = unsafe { Component::deserialize(engine.wasmtime(), code) };
    restored.map_err(|error| unusable(&error))
}

fn unusable(error: &wasmtime::Error) -> Refusal {
    let reason = error.root_cause().to_string();
    match is_short_of_memory(error) {
        true => Refusal::NoMemory(reason),
        false => Refusal::NotAComponent(reason),
    }
}

/// Says what the compiler would say of the first eight bytes, in words for people.
pub(super) fn judge_preamble(wasm: &[u8]) -> Result<(), Refusal> {
    let reason = match wasm {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => "it is a core module; build it for `wasm32-wasip2`",
        [b'\0', b'a', b's', b'm', ..] => return Ok(()),
        _ => "it does not begin as wasm does",
    };
    Err(Refusal::NotAComponent(reason.to_owned()))
}
