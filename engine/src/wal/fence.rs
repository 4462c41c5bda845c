//! The fence: the segment a new writer claims the log with.
//!
//! Promises: after it is planted, no writer of a lower epoch can store a segment again: its next slot is taken (I2, I3).
//! Never: a fence is planted over a segment that was not read and applied first.

use firn_manifest::ids::{ChainHash, Epoch};
use firn_manifest::slot::{self, SlotOutcome};
use firn_manifest::store::{Cause, Store};
use firn_segment::wal::{self, SegmentHeader, SegmentKind};

use super::tail::Tail;
use crate::commit::State;
use crate::error::{Error, ErrorKind, Result, sqlstate};

/// Claims the first free slot after `tail` for `epoch`; segments that got there first are applied.
///
/// # Errors
/// `Fenced` when a writer of a higher epoch was faster.
pub(crate) async fn plant(tail: &mut Tail, state: &mut State, store: &Store, epoch: Epoch) -> Result<()> {
    loop {
        if tail.mark.epoch > epoch {
            return Err(Error::fenced(tail.mark.epoch));
        }
        let seq = tail.mark.seq.next();
        let world = store.world();
        let mut nonce = [0u8; 16];
        world.fill(&mut nonce);
        let header = SegmentHeader {
            namespace: state.keys.namespace(),
            seq,
            epoch,
            kind: SegmentKind::Fence,
            nonce,
            prev: tail.mark.hash,
            first: tail.mark.position.next(),
            last: tail.mark.position,
            key_id: state.keys.active().id(),
            written_at: world.now_micros(),
        };
        let bytes = wal::seal(&header, &[], state.keys.active())?;
        let hash = ChainHash::of(&bytes);
        let name = wal::segment_key(seq);
        match slot::put(&store.for_cause(Cause::Open), &name, bytes, slot::DEADLINE).await {
            SlotOutcome::Committed => {
                tail.mark.seq = seq;
                tail.mark.hash = hash;
                tail.mark.epoch = epoch;
                return Ok(());
            }
            SlotOutcome::Lost(winner) => tail.apply(state, store, &name, winner).await?,
            SlotOutcome::Unknown(source) => {
                return Err(Error::new(
                    ErrorKind::Store,
                    sqlstate::IO_ERROR,
                    format!("whether the log was claimed is unknown: {source}"),
                )
                .with_hint("nothing was written to the tables; open the namespace again"));
            }
        }
    }
}
