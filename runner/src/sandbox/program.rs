//! A component that is compiled and linked.

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;

use super::bindings::CheckPre;
use super::room::{TooLarge, Weight};
use super::state::State;
use super::{Sandbox, imports};

/// A component with everything that it imports, ready to be instantiated for a run. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    pre: CheckPre<State>,
    weight: Weight,
}

/// Why a component is no program of this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LinkError {
    /// Its imports fit no host of this contract.
    #[error("its imports do not fit this host: {0}")]
    Imports(String),
    /// It is a component of another world.
    #[error("it does not export `canary:check/probe@0.1.0`: {0}")]
    NoProbe(String),
    /// It needs more of the instance pool than one component may have.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The operating system refuses the file in memory that its first memory is copied from: a limit of the host.
    #[error(
        "the host cannot keep its memory image: {0}; see the limits on memory, open files and file sizes"
    )]
    Image(String),
}

impl Sandbox {
    /// Links a component to the host.
    ///
    /// # Errors
    /// The component was made for another world, or is larger than one may be; or the host is short of something.
    pub fn link(&self, component: &Component) -> Result<Program, LinkError> {
        let weight = Weight::of(component)?;
        let reason = |error: wasmtime::Error| error.root_cause().to_string();
        let unfit = |error| LinkError::Imports(reason(error));
        let mut linker = imports::linker(self.engine.wasmtime()).map_err(unfit)?;
        imports::trap_unserved(&mut linker, component).map_err(unfit)?;
        let linked = linker.instantiate_pre(component).map_err(unfit)?;
        // The descriptor of its first memory is opened now, and not by the first run: what a run opens is the run's.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| LinkError::Image(reason(error)))?;
        CheckPre::new(linked)
            .map(|pre| Program { pre, weight })
            .map_err(|error| LinkError::NoProbe(reason(error)))
    }
}

impl Program {
    /// What an instance of it takes of the instance pool.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.weight
    }

    pub(super) fn pre(&self) -> &CheckPre<State> {
        &self.pre
    }
}
