//! What the Rust tests of FirnDB share: a store that goes wrong by script and counts, a clock that does not wait, a scene.
//!
//! Promises: everything goes through the seams the product has anyway (`Backend`, `World`, `KeyService`); no mock of a
//! protocol.
//! Never: linked by the product.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod quick;
pub mod scene;
pub mod scripted;
