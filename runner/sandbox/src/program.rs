//! Linking of compiled components.

use wasmtime::Store;
use wasmtime::component::Component;

use super::bindings::{v0_1, v0_2};
use super::contract::{ContractVersion, LinkError};
use super::guest::Guest;
use super::instance_pool::Weight;
use super::state::State;
use super::{Sandbox, imports};

/// Bytes of a page of linear memory.
const PAGE_BYTES: u64 = 64 << 10;

/// A component with all its imports, ready to be instantiated for a run. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    linked: Linked,
    weight: Weight,
    initial_memory: u64,
}

/// A component linked to its version of the contract.
#[derive(Clone)]
enum Linked {
    V0_1(v0_1::CheckPre<State>),
    V0_2(v0_2::CheckPre<State>),
}

impl Sandbox {
    /// Links a component to the host.
    ///
    /// # Errors
    /// The component was built for another world or is too large, or the host is short of a resource.
    pub fn link(&self, component: &Component) -> Result<Program, LinkError> {
        let version = ContractVersion::negotiate(component)?;
        let weight = Weight::for_component(component)?;
        let unfit = |error| LinkError::Imports(reason(&error));
        let mut linker = imports::linker(self.engine.wasmtime()).map_err(unfit)?;
        imports::trap_unserved(&mut linker, component).map_err(unfit)?;
        let linked = linker.instantiate_pre(component).map_err(unfit)?;
        // Opens the descriptor of its first memory now and not in the first run: what a run opens is charged to the
        // run.
        component
            .initialize_copy_on_write_image()
            .map_err(|error| LinkError::Image(reason(&error)))?;
        let linked = match version {
            ContractVersion::V0_1 => v0_1::CheckPre::new(linked).map(Linked::V0_1),
            ContractVersion::V0_2 => v0_2::CheckPre::new(linked).map(Linked::V0_2),
        };
        let linked = linked.map_err(|error| LinkError::Probe(reason(&error)))?;
        Ok(Program {
            linked,
            weight,
            initial_memory: initial_memory(component),
        })
    }
}

impl Program {
    /// Slots of the instance pool that an instance needs.
    #[must_use]
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// Bytes that the largest of its memories has at the start: with a lower quota `memory`, no instance starts.
    #[must_use]
    pub fn initial_memory(&self) -> u64 {
        self.initial_memory
    }

    /// The contract version that the component is linked to.
    #[must_use]
    pub fn contract(&self) -> ContractVersion {
        match self.linked {
            Linked::V0_1(_) => ContractVersion::V0_1,
            Linked::V0_2(_) => ContractVersion::V0_2,
        }
    }

    /// Whether it exports `check-config`.
    #[must_use]
    pub fn exports_check_config(&self) -> bool {
        self.contract().has_check_config()
    }

    /// Its machine code, for another process of this program.
    ///
    /// # Errors
    /// The host is out of memory.
    pub fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        let component = match &self.linked {
            Linked::V0_1(pre) => pre.instance_pre().component(),
            Linked::V0_2(pre) => pre.instance_pre().component(),
        };
        component.serialize()
    }

    /// Creates a fresh instance.
    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        match &self.linked {
            Linked::V0_1(pre) => pre.instantiate_async(store).await.map(Guest::V0_1),
            Linked::V0_2(pre) => pre.instantiate_async(store).await.map(Guest::V0_2),
        }
    }
}

/// What an instance needs at least: of several memories, the largest counts, since the engine does not name the others.
fn initial_memory(component: &Component) -> u64 {
    let needs = component.resources_required();
    let pages = needs.and_then(|needs| needs.max_initial_memory_size);
    pages.unwrap_or(0).saturating_mul(PAGE_BYTES)
}

fn reason(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}
