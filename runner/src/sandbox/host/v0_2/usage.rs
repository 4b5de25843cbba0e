//! `canary:check/usage`.

use crate::sandbox::bindings::v0_2::usage;
use crate::sandbox::host::shared::nanos;
use crate::sandbox::state::State;

impl usage::Host for State {
    async fn cpu(&mut self) -> wasmtime::Result<u64> {
        Ok(nanos(self.meter.used()))
    }
}
