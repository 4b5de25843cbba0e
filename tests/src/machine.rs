//! What surrounds a program: its memory, its disk, its clock and its name server, each of which a test can take away.
//!
//! Most of them want the right to mount or to set limits. Where that is missing there is `None`, which is said aloud:
//! see [`crate::command::skip`].

mod clock;
mod disk;
mod memory;
mod names;
mod resolution;

pub use clock::Clock;
pub use disk::{BlockDevice, Disk};
pub use memory::MemoryLimit;
pub use names::resolving_by;
pub use resolution::ResolverFiles;
