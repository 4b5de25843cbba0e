//! `canary:check/secrets`.

use crate::bindings::v0_2::{secrets, types};
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::bounded::{too_long, too_many};
use canary_record::redact::MaskError;

impl secrets::Host for State {
    async fn mask(&mut self, value: String) -> wasmtime::Result<Result<(), types::NetError>> {
        let _host = self.meter.host_call(HostFunction::Mask);
        let masked = self.client.page().recorder().mask(&value);
        let masked = masked.map_err(|error| match error {
            MaskError::TooMany(limit) => too_many("secrets", limit),
            MaskError::TooLong(limit) => too_long("the list of secrets", limit),
        });
        Ok(masked.map_err(types::NetError::from))
    }
}
