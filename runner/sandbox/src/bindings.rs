//! The contract, generated, in each version that this host serves. Nothing else lives here.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated from `sdk/wit`, which has the documentation"
)]

/// `canary:check@0.1.0`.
pub(crate) mod v0_1 {
    wasmtime::component::bindgen!({
        path: "wit/0.1",
        world: "check",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "canary:check/tcp.connection": crate::host::Connection },
    });

    pub(crate) use self::canary::check::{dns, http, log, tcp, tls, types};
    pub(crate) use self::exports::canary::check::probe;
}

/// `canary:check@0.2.0`.
pub(crate) mod v0_2 {
    wasmtime::component::bindgen!({
        path: "wit/0.2",
        world: "check",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "canary:check/tcp.connection": crate::host::Connection,
            "canary:check/http.exchange": crate::host::Exchange,
        },
    });

    pub(crate) use self::canary::check::{dns, http, log, secrets, tcp, tls, types, usage};
    pub(crate) use self::exports::canary::check::probe;
}
