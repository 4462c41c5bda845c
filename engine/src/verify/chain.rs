//! The keyless half: every manifest, every WAL segment and every named object, by hash, digest and size.
//!
//! Promises: the chain of manifests and the chain of segments are walked from their beginnings.
//! Never: a finding stops the walk; what comes after is checked as well.

use std::collections::{BTreeMap, BTreeSet};

use firn_manifest::chain::{manifest_key, parse_manifest_key};
use firn_manifest::codec::decode_envelope;
use firn_manifest::error::Error as ManifestError;
use firn_manifest::ids::{ChainHash, Digest, Epoch, NamespaceId, Position, Seq, Version};
use firn_manifest::model::{Envelope, ObjectRef};
use firn_manifest::store::{ObjectInfo, Store};
use firn_manifest::validate;
use firn_segment::sst::parse_sst_name;
use firn_segment::wal::{self, parse_segment_key, segment_key};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Report, get};
use crate::error::{Error, Result};

/// Objects read at once.
const READS: usize = 8;

/// Numbers of one gap that are asked for: a name with a number out of all reason does not make the walk endless.
const GAP: u64 = 1000;

/// What the log says at one segment.
struct Link {
    hash: ChainHash,
    position: Position,
}

pub(super) async fn check(store: &Store, report: &mut Report) -> Result<()> {
    let listed = store.list("", None, None).await?;
    let mut versions: BTreeSet<Version> = BTreeSet::new();
    let mut segments: BTreeSet<Seq> = BTreeSet::new();
    let mut files: BTreeMap<String, u64> = BTreeMap::new();
    for ObjectInfo { key, size } in listed {
        if let Some(version) = parse_manifest_key(&key) {
            versions.insert(version);
        } else if let Some(seq) = parse_segment_key(&key) {
            segments.insert(seq);
        } else if parse_sst_name(&key).is_some() || is_vector(&key) {
            files.insert(key, size);
        } else if is_temporary(&key) {
            report.orphans.push(key);
        } else {
            report.find("I1", key, "no object of a namespace has such a name");
        }
    }
    // a listing by pages sees manifests first: one that a live writer committed meanwhile is named by the segments after it
    versions.extend(firn_manifest::chain::versions(store).await?);
    if versions.is_empty() {
        if segments.is_empty() && files.is_empty() {
            return Err(Error::from(ManifestError::NoNamespace { store: store.describe() }));
        }
        report.find("I6", manifest_key(Version(1)), "there are segments or files, and no manifest");
    }
    let manifests = manifests(store, &versions, report).await?;
    let links = log(store, &segments, manifests.values().next_back(), report).await?;
    floors(&manifests, &links, report);
    if let Some(newest) = manifests.values().next_back() {
        named(store, newest, &files, report).await?;
    }
    Ok(())
}

/// What a writer on a folder that was killed may leave, and a copy of the folder may carry elsewhere.
fn is_temporary(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
}

/// The numbers to walk: those listed, and of every gap before one of them, or before `upto`, the first ones.
fn numbers(listed: impl Iterator<Item = u64>, upto: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut next: u64 = 1;
    for at in listed.chain((upto > 0).then_some(upto)) {
        numbers.extend(next..at.min(next.saturating_add(GAP)));
        if at >= next {
            numbers.push(at);
        }
        next = next.max(at.saturating_add(1));
    }
    numbers.dedup();
    numbers
}

fn is_vector(key: &str) -> bool {
    key.strip_prefix("sst/").and_then(|k| k.strip_suffix(".dv")).is_some_and(|id| ulid::Ulid::from_string(id).is_ok())
}

/// The chain of manifests from version 1 to the newest.
async fn manifests(
    store: &Store,
    versions: &BTreeSet<Version>,
    report: &mut Report,
) -> Result<BTreeMap<Version, Envelope>> {
    let mut good = BTreeMap::new();
    let mut before: Option<(Version, Option<Envelope>, ChainHash)> = None;
    let names = numbers(versions.iter().map(|v| v.0), 0).into_iter().map(|v| (Version(v), manifest_key(Version(v))));
    let mut read = stream::iter(names.map(|(version, name)| async move {
        let bytes = get(store, &name).await?;
        Ok::<_, Error>((version, name, bytes))
    }))
    .buffered(READS);
    while let Some((version, name, bytes)) = read.try_next().await? {
        let Some(bytes) = bytes else {
            report.find("I6", name, format!("version {version} of the manifest is missing"));
            before = None;
            continue;
        };
        report.manifests += 1;
        report.bytes += bytes.len() as u64;
        let hash = ChainHash::of(&bytes);
        let envelope = match decode_envelope(&bytes, &name) {
            Ok((envelope, _)) => envelope,
            Err(error) => {
                report.find("I6", &name, what(error));
                // its hash is still what the next one must name, unless the next one names the bytes that were there
                before = Some((version, None, hash));
                continue;
            }
        };
        match &before {
            Some((older_version, Some(older), older_hash)) => {
                if let Err(problem) = validate::follows(older, *older_hash, &envelope) {
                    report.find("I6", &name, problem);
                }
                // either of the two can be the one that was changed
                if envelope.prev != *older_hash {
                    report.find(
                        "I6",
                        manifest_key(*older_version),
                        format!("version {version} names another hash of it"),
                    );
                }
            }
            Some((older_version, None, _)) => {
                report.find("I6", manifest_key(*older_version), "the manifest after it cannot be checked against it");
            }
            None if version == Version(1) && envelope.prev != ChainHash::GENESIS => {
                report.find("I6", &name, "the first manifest names a predecessor");
            }
            None => {}
        }
        before = Some((version, Some(envelope.clone()), hash));
        good.insert(version, envelope);
    }
    if let Some(envelope) = good.values().next_back() {
        report.namespace = envelope.namespace.to_string();
        report.newest_version = envelope.version.0;
        report.epoch = envelope.epoch.0;
    }
    Ok(good)
}

fn what(error: ManifestError) -> String {
    match error {
        ManifestError::Integrity { what, .. } => what,
        other => other.to_string(),
    }
}

/// The chain of WAL segments from 1 to the newest.
async fn log(
    store: &Store,
    segments: &BTreeSet<Seq>,
    newest: Option<&Envelope>,
    report: &mut Report,
) -> Result<BTreeMap<Seq, Link>> {
    let mut links = BTreeMap::new();
    links.insert(Seq::ZERO, Link { hash: ChainHash::GENESIS, position: Position::ZERO });
    let covered = newest.map_or(Seq::ZERO, |e| e.wal.seq);
    let namespace: Option<NamespaceId> = newest.map(|e| e.namespace);
    let highest = newest.map_or(Epoch(u64::MAX), |e| e.epoch);
    let mut before: Option<(ChainHash, Position)> = Some((ChainHash::GENESIS, Position::ZERO));
    let mut epoch = Epoch::ZERO;
    let walk = numbers(segments.iter().map(|s| s.0), covered.0);
    let mut read = stream::iter(walk.into_iter().map(|seq| async move {
        let name = segment_key(Seq(seq));
        let bytes = get(store, &name).await?;
        Ok::<_, Error>((Seq(seq), name, bytes))
    }))
    .buffered(READS);
    while let Some((seq, name, bytes)) = read.try_next().await? {
        let Some(bytes) = bytes else {
            report.find(
                "I5",
                name,
                format!("segment {seq} is missing and later ones are there or were covered by a flush"),
            );
            before = None;
            continue;
        };
        report.segments += 1;
        report.bytes += bytes.len() as u64;
        let hash = ChainHash::of(&bytes);
        let segment = match wal::inspect(&name, bytes) {
            Ok(segment) => segment,
            Err(error) => {
                report.find("I6", &name, error.what);
                before = None;
                continue;
            }
        };
        let header = &segment.header;
        if namespace.is_some_and(|ns| ns != header.namespace) {
            report.find("I8", &name, format!("it belongs to namespace {}", header.namespace));
        }
        if let Some((prev, position)) = before {
            if header.prev != prev {
                report.find("I6", &name, "it does not name the segment before it by hash");
                // either of the two can be the one that was changed
                report.find("I6", segment_key(Seq(seq.0 - 1)), format!("segment {seq} names another hash of it"));
            }
            if header.first != position.next() {
                report.find(
                    "I5",
                    &name,
                    format!("it begins at position {}, the one before ended at {position}", header.first),
                );
            }
        }
        if header.epoch < epoch {
            report.find("I2", &name, format!("its epoch {} is below epoch {epoch} before it", header.epoch));
        }
        if header.epoch > highest {
            report.find(
                "I2",
                &name,
                format!(
                    "its epoch {} was claimed by no manifest; the newest has epoch {highest}: a manifest is missing",
                    header.epoch
                ),
            );
        }
        epoch = epoch.max(header.epoch);
        report.position = report.position.max(header.last.0);
        links.insert(seq, Link { hash, position: header.last });
        before = Some((hash, header.last));
    }
    Ok(links)
}

/// What manifests say of the log they cover.
fn floors(manifests: &BTreeMap<Version, Envelope>, links: &BTreeMap<Seq, Link>, report: &mut Report) {
    for (version, envelope) in manifests {
        let floor = envelope.wal;
        let Some(link) = links.get(&floor.seq) else { continue };
        if link.hash != floor.hash {
            report.find(
                "I6",
                segment_key(floor.seq),
                format!("manifest version {version} covers it under another hash"),
            );
        } else if link.position != floor.position {
            report.find(
                "I6",
                manifest_key(*version),
                format!("it says segment {} ends at position {}, which it does not", floor.seq, floor.position),
            );
        }
    }
}

/// The objects that the newest manifest names.
async fn named(store: &Store, newest: &Envelope, files: &BTreeMap<String, u64>, report: &mut Report) -> Result<()> {
    let objects: Vec<(ObjectRef, bool)> = newest
        .objects
        .iter()
        .map(|o| (o.clone(), false))
        .chain(newest.retired.iter().map(|r| (r.object.clone(), true)))
        .collect();
    let known: BTreeSet<&str> = objects.iter().map(|(o, _)| o.name.as_str()).collect();
    report.orphans.extend(files.keys().filter(|name| !known.contains(name.as_str())).cloned());
    let mut read = stream::iter(objects.into_iter().map(|(object, retired)| async move {
        let bytes = get(store, &object.name).await?;
        Ok::<_, Error>((object, retired, bytes))
    }))
    .buffer_unordered(READS / 2);
    while let Some((object, retired, bytes)) = read.try_next().await? {
        let Some(bytes) = bytes else {
            let state = if retired { "it is retired, not collected, and missing" } else { "it is missing" };
            report.find("I6", object.name, state);
            continue;
        };
        report.objects += 1;
        report.bytes += bytes.len() as u64;
        if bytes.len() as u64 != object.size {
            report.find("I6", object.name, format!("it has {} bytes, the manifest says {}", bytes.len(), object.size));
        } else if Digest::of(&bytes) != object.digest {
            report.find("I6", object.name, "its BLAKE3 digest is not what the manifest says");
        }
    }
    report.findings.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{GAP, numbers};

    #[test]
    fn a_walk_covers_gaps_and_ends() {
        assert_eq!(numbers([1, 2, 3].into_iter(), 3), [1, 2, 3]);
        assert_eq!(numbers([2, 4].into_iter(), 6), [1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers([3].into_iter(), 2), [1, 2, 3]);
        assert!(numbers(std::iter::empty(), 0).is_empty());
        let strange = numbers([1, u64::MAX].into_iter(), u64::MAX);
        assert_eq!(strange.len() as u64, GAP + 2);
        assert_eq!(strange.last(), Some(&u64::MAX));
    }
}
