//! An instance of a plugin of any contract version, called with the types of the current version.

use wasmtime::Store;

use super::Description;
use super::bindings::{v0_1, v0_2};
use super::state::State;
use v0_2::probe;

/// An instance that can be called.
pub(super) enum Guest {
    V0_1(v0_1::Check),
    V0_2(v0_2::Check),
}

impl Guest {
    pub(super) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
        match self {
            Self::V0_1(guest) => {
                let described = guest.canary_check_probe().call_describe(store).await?;
                Ok(described.into())
            }
            Self::V0_2(guest) => {
                let described = guest.canary_check_probe().call_describe(store).await?;
                Ok(described.into())
            }
        }
    }

    /// Plugins of a contract without this call report no problems.
    pub(super) async fn check_config(
        &self,
        store: &mut Store<State>,
        target: Option<&str>,
        config: &str,
    ) -> wasmtime::Result<Vec<probe::Problem>> {
        match self {
            Self::V0_1(_) => Ok(Vec::new()),
            Self::V0_2(guest) => {
                let probe = guest.canary_check_probe();
                probe.call_check_config(store, target, config).await
            }
        }
    }

    pub(super) async fn run(
        &self,
        store: &mut Store<State>,
        request: &probe::Request,
    ) -> wasmtime::Result<Result<probe::Verdict, String>> {
        match self {
            Self::V0_1(guest) => {
                let request = request.clone().into();
                let verdict = guest.canary_check_probe().call_run(store, &request).await?;
                Ok(verdict.map(probe::Verdict::from))
            }
            Self::V0_2(guest) => guest.canary_check_probe().call_run(store, request).await,
        }
    }
}
