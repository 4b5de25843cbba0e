//! `canary:check/usage`.

use crate::bindings::v0_2::usage;
use crate::host::shared::nanos;
use crate::state::State;

impl usage::Host for State {
    async fn cpu(&mut self) -> wasmtime::Result<u64> {
        Ok(nanos(self.meter.used()))
    }
}
