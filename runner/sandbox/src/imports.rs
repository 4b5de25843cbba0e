//! What a guest may import, and stubs for everything else.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, LinkerInstance, ResourceType};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, bindings as wasi};
use wasmtime_wasi::random::WasiRandom;

use super::bindings::{v0_1, v0_2};
use super::contract::ContractVersion;
use super::state::State;

/// Interfaces of the contract that [`linker`] provides, in each [`ContractVersion`].
const CONTRACT: [&str; 8] = [
    "canary:check/types",
    "canary:check/tls",
    "canary:check/tcp",
    "canary:check/http",
    "canary:check/dns",
    "canary:check/log",
    "canary:check/secrets",
    "canary:check/usage",
];

/// WASI interfaces that it provides, in any compatible version.
const WASI: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Resources of these interfaces that other WASI interfaces use as well, such as those of sockets.
fn shared_resources() -> [(&'static str, &'static str, ResourceType); 4] {
    [
        ("wasi:io/error", "error", ResourceType::host::<IoError>()),
        ("wasi:io/poll", "pollable", ResourceType::host::<DynPollable>()),
        (
            "wasi:io/streams",
            "input-stream",
            ResourceType::host::<DynInputStream>(),
        ),
        (
            "wasi:io/streams",
            "output-stream",
            ResourceType::host::<DynOutputStream>(),
        ),
    ]
}

/// Links everything that a guest may import: the contract, and the WASI interfaces that a Rust guest pulls in by
/// itself. They expose no preopened folders, variables, arguments or sockets.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    v0_1::Check::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    v0_2::Check::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    let l = &mut linker;
    wasi::cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    wasi::filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    wasi::filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    wasi::random::insecure::add_to_linker::<State, WasiRandom>(l, State::random)?;
    wasi::random::insecure_seed::add_to_linker::<State, WasiRandom>(l, State::random)?;
    Ok(linker)
}

/// Turns every function of an interface that the host does not provide into a trap that names it, so that a plugin
/// may import what it never calls. wasmtime's own method does not recognise that `wasi:io@0.2.6` is provided by a
/// later 0.2.
pub(super) fn trap_unserved(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    let shared = imported_resources(component);
    for (name, import) in component.component_type().imports(&engine) {
        if is_served(name) {
            continue;
        }
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let mut stub = linker.instance(name)?;
                for (item, export) in instance.exports(&engine) {
                    trap(&mut stub, name, (item, &export.ty), &shared)?;
                }
            }
            item => trap(&mut linker.root(), "the world", (name, &item), &shared)?,
        }
    }
    Ok(())
}

/// The [`shared_resources`] as the component imports them, each with the host's own type. An interface that the host
/// does not provide must have the same types, or the component does not fit the linker.
fn imported_resources(component: &Component) -> Vec<(ResourceType, ResourceType)> {
    let engine = component.engine();
    let mut found = Vec::new();
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        for (interface, name, host) in shared_resources() {
            if without_version(import) != interface {
                continue;
            }
            if let Some(ComponentItem::Resource(imported)) =
                instance.get_export(engine, name).map(|item| item.ty)
            {
                found.push((imported, host));
            }
        }
    }
    found
}

fn without_version(import: &str) -> &str {
    import.split('@').next().unwrap_or(import)
}

fn is_served(name: &str) -> bool {
    let interface = without_version(name);
    WASI.contains(&interface) || CONTRACT.contains(&interface) && ContractVersion::is_served(name)
}

fn trap(
    stub: &mut LinkerInstance<'_, State>,
    interface: &str,
    (name, item): (&str, &ComponentItem),
    shared: &[(ResourceType, ResourceType)],
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let message = format!("it called `{name}` of `{interface}`, which this host does not provide");
            stub.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(message.clone())))
        }
        ComponentItem::Resource(imported) => {
            let known = shared.iter().find(|(other, _)| other == imported);
            let host = known.map_or_else(ResourceType::host::<()>, |(_, host)| *host);
            stub.resource(name, host, |_, _| Ok(()))
        }
        _ => Ok(()),
    }
}
