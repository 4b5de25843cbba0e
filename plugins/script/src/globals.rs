//! The globals of a script, a module for each.

mod check;
mod dns;
mod encoding;
mod expect;
mod http;
mod json;
mod log;
pub(crate) mod network_error;
mod secrets;
mod sleep;
mod tcp;
mod tls;
mod verdict;

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::object::FunctionObjectBuilder;
use boa_engine::object::builtins::JsFunction;
use boa_engine::property::Attribute;
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction};

use crate::run::Run;

/// Adds all globals.
pub(crate) fn install(run: &Run, context: &mut Context) -> JsResult<()> {
    network_error::install(run, context)?;
    check::install(run, context)?;
    dns::install(context)?;
    encoding::install(context)?;
    expect::install(context)?;
    http::install(context)?;
    json::install(context)?;
    log::install(context)?;
    secrets::install(context)?;
    sleep::install(context)?;
    tcp::install(context)?;
    tls::install(context)?;
    verdict::install(context)
}

/// Adds a global that the script cannot replace by accident.
fn constant(name: &str, value: impl Into<JsValue>, context: &mut Context) -> JsResult<()> {
    context.register_global_property(JsString::from(name), value, Attribute::empty())
}

/// Adds a global function.
fn function(
    name: &str,
    function: NativeFunctionPointer,
    length: usize,
    context: &mut Context,
) -> JsResult<()> {
    let native = native(name, function, length, context);
    constant(name, native, context)
}

fn native(name: &str, function: NativeFunctionPointer, length: usize, context: &Context) -> JsFunction {
    FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(function))
        .name(JsString::from(name))
        .length(length)
        .build()
}
