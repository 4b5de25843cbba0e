//! The bindings of `wit/0.2/check.wit`, as generated. Probes use the modules of this crate instead; this one is
//! public for guests that must say exactly what goes over the boundary.
#![allow(
    missing_docs,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "wit/0.2",
    world: "check",
    pub_export_macro: true,
    default_bindings_module: "canary_sdk::contract",
});
