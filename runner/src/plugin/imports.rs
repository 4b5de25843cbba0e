//! Imports that the host does not serve.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

use crate::sandbox::{State, serves};

/// Makes every function that the host does not serve fail when it is called, with its name.
///
/// wasmtime's own way of doing so knows only exact versions, and would put a failing function before one that the
/// host serves at another patch version of WASI.
pub(super) fn refuse_unserved(
    linker: &mut Linker<State>,
    component: &Component,
    engine: &Engine,
) -> wasmtime::Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(import) = import.ty else {
            continue;
        };
        if serves(interface) {
            continue;
        }
        let mut refused = linker.instance(interface)?;
        for (name, export) in import.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let refusal = format!("the host does not serve `{interface}#{name}`");
                    refused.func_new(name, move |_, _, _, _| {
                        Err(wasmtime::Error::msg(refusal.clone()))
                    })?;
                }
                ComponentItem::Resource(_) => {
                    refused.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
