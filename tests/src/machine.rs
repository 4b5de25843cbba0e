//! The environment of a program under test: memory, disk, clock and name server, each of which a test can break.
//!
//! Most of them need permission to mount or to set limits. Constructors return `None` without it and print that the
//! test is skipped: see [`crate::command::skip`].

mod clock;
mod disk;
mod memory;
mod name_server;
mod resolver_files;

pub use clock::Clock;
pub use disk::{BlockDevice, Disk};
pub use memory::MemoryLimit;
pub use name_server::with_name_server;
pub use resolver_files::ResolverFiles;
