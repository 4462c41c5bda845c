//! The crate's promises, attacked through its public interface.
//!
//! Promises: each test says in its name what must hold, and fails when it does not.
//! Never: real time, real randomness (except against the real file system), or a network.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cache;
mod chain;
mod codec;
mod file;
mod keys;
mod slot;
mod uri;
mod worlds;
