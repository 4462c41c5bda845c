//! Checking a directory's log without any key.
//!
//! Promises: every object under `_directory/` is looked at: entries and checkpoints wholly as far as no key is needed,
//! wrapped keys by their form; what is wrong is named with the id of the promise it breaks.
//! Never: a write, or the end of the check at the first finding.

use firn_manifest::ids::{ChainHash, NamespaceId};
use firn_manifest::store::Cause;
use firn_manifest::{Error, Store};

use super::format::{
    ENTRIES, ROOT, decode_checkpoint, decode_entry, entry_name, follows, parse_checkpoint_name, parse_entry_name,
};
use crate::document;
use crate::ids::{DirectoryId, EntrySeq, Time};
use crate::kek::{self, KekObject, parse_kek_name};
use crate::receipt::LogHead;

/// An object and the SHA-256 of its stored bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDigest {
    /// its name below the store's prefix
    pub name: String,
    /// its size, bytes
    pub size: u64,
    /// SHA-256 of its stored bytes
    pub sha256: ChainHash,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// the object
    pub object: String,
    /// what is wrong with it
    pub what: String,
}

/// What a directory's objects are.
#[derive(Clone, Debug, Default)]
pub struct ChainReport {
    /// the newest entry that the chain reaches unbroken
    pub head: Option<LogHead>,
    /// the public key of receipts, from the first entry
    pub public_key: Option<String>,
    /// entries
    pub entries: u64,
    /// checkpoints
    pub checkpoints: u64,
    /// wrapped keys
    pub keks: u64,
    /// every object, in the order of names
    pub objects: Vec<ObjectDigest>,
    /// what is wrong; empty if nothing is
    pub findings: Vec<Finding>,
}

/// Checks every object of the directory in `store`; an empty report if there is no directory.
///
/// # Errors
/// [`Error::Store`] if an object could not be read.
pub async fn verify_chain(store: &Store) -> Result<ChainReport, Error> {
    let store = store.for_cause(Cause::Verify);
    let mut report = ChainReport::default();
    let mut chain = Chain::default();
    let mut heads = Vec::new();
    for object in store.list(ROOT, None, None).await? {
        let Some(bytes) = store.get_optional(&object.key).await? else {
            // a wrapped key may be destroyed while this runs; anything else stays for ever
            if !object.key.starts_with(kek::FOLDER) {
                report.find(&object.key, "it is listed and cannot be read (I1)");
            }
            continue;
        };
        let sha256 = ChainHash::of(&bytes);
        report.objects.push(ObjectDigest { name: object.key.clone(), size: bytes.len() as u64, sha256 });
        if let Some(seq) = parse_entry_name(&object.key) {
            report.entries += 1;
            chain.entry(seq, &bytes, &mut report);
        } else if let Some(seq) = parse_checkpoint_name(&object.key) {
            report.checkpoints += 1;
            match decode_checkpoint(seq, &bytes) {
                Ok(found) => heads.push((object.key, seq, found.envelope.directory, found.envelope.head)),
                Err(e) => report.find(&object.key, e.to_string()),
            }
        } else if let Some(namespace) = parse_kek_name(&object.key) {
            report.keks += 1;
            check_kek(&object.key, namespace, &bytes, &mut report);
        } else {
            report.find(&object.key, "it is no object of a directory");
        }
    }
    if chain.seen.is_empty() && !report.objects.is_empty() {
        report.find(ENTRIES, "there is no entry of the log (DIR-2)");
    }
    for (name, seq, directory, head) in heads {
        let index = usize::try_from(seq.0).ok().and_then(|seq| seq.checked_sub(1));
        let hash = index.and_then(|index| chain.seen.get(index));
        if hash != Some(&Some(head)) || chain.directory.is_some_and(|own| own != directory) {
            report.find(&name, format!("it is not of entry {seq} of this log (DIR-4)"));
        }
    }
    Ok(report)
}

impl ChainReport {
    fn find(&mut self, object: &str, what: impl Into<String>) {
        self.findings.push(Finding { object: object.to_owned(), what: what.into() });
    }
}

/// The entries in order; `None` for one that is missing or damaged.
#[derive(Default)]
struct Chain {
    directory: Option<DirectoryId>,
    seen: Vec<Option<ChainHash>>,
    now: Time,
    broken: bool,
}

impl Chain {
    fn entry(&mut self, seq: EntrySeq, bytes: &[u8], report: &mut ChainReport) {
        let missing = seq.0.saturating_sub(self.seen.len() as u64 + 1);
        if missing > 0 {
            let first = entry_name(EntrySeq(self.seen.len() as u64 + 1));
            report.find(&first, format!("{missing} entries from it on are missing (DIR-2)"));
            self.broken = true;
            // a name of a far number must not cost memory for those before it
            if missing > 1_000_000 {
                return;
            }
            self.seen.resize(self.seen.len() + usize::try_from(missing).unwrap_or(0), None);
        }
        let decoded = decode_entry(seq, bytes);
        let entry = match decoded {
            Ok(entry) => entry,
            Err(e) => {
                report.find(&entry_name(seq), e.to_string());
                self.broken = true;
                self.seen.push(None);
                return;
            }
        };
        let directory = *self.directory.get_or_insert(entry.envelope.directory);
        if let Some(Some(before)) = self.seen.last() {
            let before = (EntrySeq(seq.0 - 1), *before);
            if let Err(e) = follows(directory, before, self.now, &entry.envelope) {
                report.find(&entry_name(seq), e.to_string());
                self.broken = true;
            }
        }
        if seq == EntrySeq(1) {
            report.public_key.clone_from(&entry.envelope.public_key);
        }
        self.now = entry.envelope.written_at;
        self.seen.push(Some(entry.hash));
        if !self.broken {
            report.head = Some(LogHead { id: directory, seq, sha256: entry.hash });
        }
    }
}

fn check_kek(name: &str, namespace: NamespaceId, bytes: &[u8], report: &mut ChainReport) {
    match document::parse_clear::<KekObject>(name, bytes, kek::MAX_SIZE) {
        Ok(kek) if kek.namespace == namespace && kek::kek_name(namespace, kek.generation, kek.revision) == name => {}
        Ok(_) => report.find(name, "it says it is another key than its name does (I8)"),
        Err(e) => report.find(name, e.to_string()),
    }
}
