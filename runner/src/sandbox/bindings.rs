//! The contract, generated. Nothing else lives here.
#![allow(
    missing_docs,
    reason = "generated from `sdk/wit/check.wit`, which has the documentation"
)]

wasmtime::component::bindgen!({
    path: "../sdk/wit",
    world: "check",
    imports: { default: async | trappable },
    exports: { default: async },
    with: { "canary:check/tcp.connection": crate::sandbox::host::tcp::Connection },
});

pub use self::exports::canary::check::probe::Description;

pub(crate) use self::canary::check::{dns, http, log, tcp, tls, types};
pub(crate) use self::exports::canary::check::probe;
