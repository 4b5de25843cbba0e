//! Exports of Canary at real receivers.
//!
//! Separate from `it`, whose tests count the descriptors of their process.

mod receivers;
