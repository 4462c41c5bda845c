//! Room for statements whose trees are deep: they are planned and run on a stack of their own.
//!
//! Promises: a statement that the parser let through does not overflow a worker thread's stack, however small.
//! Never: an ordinary statement pays for it.

use std::future::{Future, poll_fn};
use std::pin::Pin;

use futures::StreamExt;
use futures::stream;

use crate::error::BatchStream;
use crate::sql::parse::Statement;

/// Bytes of that stack; only what is touched becomes resident.
const STACK_BYTES: usize = 64 << 20;

/// Levels that an ordinary thread's stack holds.
const SHALLOW: usize = 48;

/// Whether a statement needs the room.
pub(super) fn is_deep(statement: &Statement) -> bool {
    statement.depth > SHALLOW
}

/// Runs a future with room.
pub(super) async fn run<T>(mut future: Pin<Box<impl Future<Output = T>>>) -> T {
    poll_fn(move |cx| stacker::grow(STACK_BYTES, || future.as_mut().poll(cx))).await
}

/// Takes rows with room.
pub(super) fn rows(mut rows: BatchStream) -> BatchStream {
    stream::poll_fn(move |cx| stacker::grow(STACK_BYTES, || rows.as_mut().poll_next(cx))).boxed()
}
