//! What Canary exports, as real receivers take it.
