//! What keeps a log short to open and its keys current: checkpoints, and its own data keys wrapped anew.
//!
//! Promises: a checkpoint that could not be written costs time, not data; the newest wrapping of the data keys is the one
//! that opens the log.
//! Never: a plain data key outside zeroizing memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firn_manifest::model::WrappedKey;
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::Cause;
use firn_manifest::{Error, KeyErrorKind, KeyService};

use super::super::format::{self, CheckpointEnvelope, EntryEnvelope, EntryKind, checkpoint_name, decode_entry};
use super::super::open::{self, Cursor};
use super::Inner;
use crate::document::FORMAT;
use crate::error::{invalid, key};
use crate::ids::Time;

/// Entries after which a checkpoint is due.
pub const CHECKPOINT_ENTRIES: u64 = 256;
/// Entries after which it is due even if they are small beside the last checkpoint.
pub const CHECKPOINT_ENTRIES_MOST: u64 = 1_024;
/// Bytes of entries after which it is due.
pub const CHECKPOINT_BYTES: u64 = 4 << 20;

impl Inner {
    /// Has the directory's own data keys wrapped anew, by `to`.
    pub(super) async fn rewrap(&self, cursor: &mut Cursor, to: &dyn KeyService) -> Result<(), Error> {
        loop {
            self.catch_up(cursor).await?;
            let from = self.master.read().clone();
            let context = open::context(cursor.head.id);
            let mut keys = Vec::with_capacity(cursor.wrapped.len());
            for known in &cursor.wrapped {
                let bytes = STANDARD.decode(&known.wrapped).map_err(|e| invalid("a wrapped key", e.to_string()))?;
                let plain = from.unwrap(&known.wrapped_by, &bytes, &context).await?;
                let (wrapped_by, wrapped) = to.wrap(&plain, &context).await?;
                if to.unwrap(&wrapped_by, &wrapped, &context).await?.as_slice() != plain.as_slice() {
                    let what = format!("{} does not give back what it wrapped; nothing was changed", to.describe());
                    return Err(key(KeyErrorKind::Damaged, what));
                }
                let wrapped = STANDARD.encode(wrapped);
                keys.push(WrappedKey { id: known.id, wrapped_by, wrapped });
            }
            let at = Time(self.world.now_micros()).max(self.state().now());
            let envelope = EntryEnvelope { keys, ..self.envelope(cursor, EntryKind::Keys, at, 0) };
            let bytes = format::encode_entry(&envelope, None, &[], cursor.ring.active(), &*self.world)?;
            let put = self.put(cursor, bytes).await?;
            let entry = decode_entry(cursor.head.seq.next(), &put.bytes)?;
            self.follow(cursor, &entry).await?;
            if put.committed {
                return Ok(());
            }
        }
    }

    /// Writes a checkpoint if enough was logged since the last one. It is a shortcut: a failure costs time, not data.
    pub(super) async fn checkpoint_if_due(&self, cursor: &mut Cursor) {
        let many = cursor.entries >= CHECKPOINT_ENTRIES && cursor.bytes >= cursor.checkpoint_bytes / 4;
        if !many && cursor.entries < CHECKPOINT_ENTRIES_MOST && cursor.bytes < CHECKPOINT_BYTES {
            return;
        }
        match self.checkpoint(cursor).await {
            Ok(size) => {
                cursor.entries = 0;
                cursor.bytes = 0;
                cursor.checkpoint_bytes = size;
            }
            Err(e) => {
                tracing::warn!(error = %e, "no checkpoint of the directory was written; the next entry tries again")
            }
        }
    }

    async fn checkpoint(&self, cursor: &Cursor) -> Result<u64, Error> {
        let envelope = CheckpointEnvelope {
            format: FORMAT,
            directory: cursor.head.id,
            seq: cursor.head.seq,
            head: cursor.head.sha256,
            written_at: Time(self.world.now_micros()),
            writer: self.writer.clone(),
            active_key: cursor.active_key,
            keys: cursor.wrapped.clone(),
            public_key: cursor.public_key.clone(),
        };
        let name = checkpoint_name(envelope.seq);
        let (state, secrets, ring) = (self.state(), cursor.secrets.clone(), cursor.ring.clone());
        let world = self.world.clone();
        let encode = move || format::encode_checkpoint(&envelope, &secrets, &state, ring.active(), &*world);
        let encoded = firn_manifest::world::offload(&*self.world, encode).await;
        let bytes = encoded.ok_or_else(|| invalid(&name, "encoding it was cut off"))??;
        let size = bytes.len() as u64;
        match slot::put(&self.store.for_cause(Cause::Manifest), &name, bytes, slot::DEADLINE).await {
            // another process's checkpoint of the same entry is as good as ours
            SlotOutcome::Committed | SlotOutcome::Lost(_) => Ok(size),
            SlotOutcome::Unknown(e) => Err(e.into()),
        }
    }
}
