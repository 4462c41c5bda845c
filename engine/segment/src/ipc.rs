//! One record batch as one Arrow IPC stream.
//!
//! Promises: what is read back equals what was written, types and NULLs included; bytes that hold anything but exactly
//! one batch are refused.
//! Never: dictionaries or compression; both ends of a stream are this file.

mod check;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::MetadataVersion;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;

use crate::error::SegmentError;

const WHERE: &str = "Arrow IPC stream";

/// Buffers are padded to this: as small as the format allows, since commits are small.
const ALIGNMENT: usize = 8;

/// Continuation marker and a length of zero.
const END_OF_STREAM: [u8; 8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];

/// The batch as an Arrow IPC stream: schema, one record batch, end of stream.
///
/// # Errors
/// Kind `TooLarge` if the batch does not fit one IPC message.
pub fn batch_to_ipc(batch: &RecordBatch) -> Result<Bytes, SegmentError> {
    let write = || {
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), batch.schema_ref(), options)?;
        writer.write(batch)?;
        writer.into_inner()
    };
    write().map(Bytes::from).map_err(|e| SegmentError::too_large(WHERE, e))
}

/// The batch in an Arrow IPC stream that [`batch_to_ipc`] wrote.
///
/// # Errors
/// Kind `Integrity` if the bytes are not one stream of exactly one batch.
pub fn batch_from_ipc(bytes: &[u8]) -> Result<RecordBatch, SegmentError> {
    let bad = |what: &dyn std::fmt::Display| SegmentError::integrity(WHERE, what);
    check::stream(bytes).map_err(|what| bad(&what))?;
    // this decoder takes memory as bytes come, where the reader believes the lengths in them
    let mut decoder = StreamDecoder::new();
    let mut rest = Buffer::from(bytes);
    let mut batches = Vec::with_capacity(1);
    while !rest.is_empty() {
        batches.extend(decoder.decode(&mut rest).map_err(|e| bad(&e))?);
    }
    decoder.finish().map_err(|e| bad(&e))?;
    match (batches.pop(), batches.is_empty()) {
        (Some(batch), true) => Ok(batch),
        (None, _) => Err(bad(&"it holds no batch")),
        _ => Err(bad(&"it holds more than one batch")),
    }
}
