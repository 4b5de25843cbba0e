//! Imports that the host does not serve.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use crate::sandbox::{SERVED, State};

/// Makes every function of an interface that the host does not serve a trap that names it, so that a plugin may
/// import what it never calls. wasmtime's own way does not see that `wasi:io@0.2.6` is served by a later 0.2.
pub(super) fn trap_unserved(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let interface = name.split('@').next().unwrap_or(name);
        if SERVED.contains(&interface) {
            continue;
        }
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let mut stub = linker.instance(name)?;
                for (item, export) in instance.exports(&engine) {
                    trap(&mut stub, name, item, &export.ty)?;
                }
            }
            item => trap(&mut linker.root(), "the world", name, &item)?,
        }
    }
    Ok(())
}

fn trap(
    stub: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let message = format!("it called `{name}` of `{interface}`, which this host does not serve");
            stub.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(message.clone())))
        }
        ComponentItem::Resource(_) => stub.resource(name, ResourceType::host::<()>(), |_, _| Ok(())),
        _ => Ok(()),
    }
}
