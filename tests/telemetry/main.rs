//! What Canary exports, as real receivers take it.
//!
//! Apart from `it`, whose tests count the descriptors of their process.

mod receivers;
