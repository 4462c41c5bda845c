//! `firn inspect`: what lies under a namespace.
//!
//! Promises: it reads only; what needs the key is left out where there is none.
//! Never: a value of a row is shown.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use firn_engine::ErrorKind;
use firn_engine::inspect::{Inspection, inspect};

use crate::cli::InspectArgs;
use crate::exit::{Failure, say};
use crate::open;
use crate::render::push_text;
use crate::verify::count;

/// Runs `firn inspect`.
///
/// # Errors
/// If the store cannot be read.
pub async fn run(args: InspectArgs) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    let store = open::store(&uri)?;
    let keys = open::keys(&uri).ok();
    let inspection = match inspect(&store, keys).await {
        Err(error) if error.kind == ErrorKind::Key => {
            say(&format!("note: shown without what is sealed: {}", error.message));
            inspect(&store, None).await?
        }
        other => other?,
    };
    let text = if args.json {
        serde_json::to_string_pretty(&inspection).map_err(|e| Failure::Output(std::io::Error::other(e)))? + "\n"
    } else {
        describe(&inspection).map_err(|e| Failure::Output(std::io::Error::other(e)))?
    };
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn time(micros: i64) -> String {
    let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"));
    let mut out = String::new();
    push_text(&array, 0, &mut out);
    out
}

/// A field that is known only with the key.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |v| v.to_string())
}

/// The inspection for people.
fn describe(i: &Inspection) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "namespace  {}", i.namespace)?;
    writeln!(out, "version    {}", i.version)?;
    writeln!(out, "epoch      {}", i.epoch)?;
    writeln!(out, "position   {} (in files up to {})", i.position, i.flushed_position)?;
    writeln!(out, "objects    {} with {} bytes; {} retired, not yet collected", i.objects, i.bytes, i.retired)?;
    writeln!(
        out,
        "log        {} ({}) with {} bytes; {} to {} are not yet in files; head {}",
        count(i.wal.segments, "segment"),
        count(i.wal.fences, "fence"),
        i.wal.bytes,
        i.wal.floor + 1,
        i.wal.head,
        i.wal.head_hash
    )?;
    writeln!(out, "\nversions ({})", i.versions.len())?;
    for v in &i.versions {
        let kind = serde_json::to_value(v.kind).ok().and_then(|k| k.as_str().map(str::to_owned)).unwrap_or_default();
        writeln!(out, "  {:>6}  epoch {:<5} {kind:<10} {}  {}", v.version, v.epoch, time(v.written_at), v.writer)?;
    }
    writeln!(out, "\ntables in files ({})", i.tables.len())?;
    for t in &i.tables {
        writeln!(out, "  {}  {} columns, {} files, {} rows, {} bytes", t.name, t.columns, t.files, t.rows, t.bytes)?;
    }
    writeln!(out, "\nfiles ({})", i.files.len())?;
    for f in &i.files {
        let kind = f.kind.and_then(|k| serde_json::to_value(k).ok()).and_then(|k| k.as_str().map(str::to_owned));
        let (table, kind) = (known(f.table.as_ref()), known(kind));
        writeln!(
            out,
            "  {}  {} bytes, table {table}, {kind}, {} rows, {} ended",
            f.name,
            f.size,
            known(f.rows),
            known(f.dead)
        )?;
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use firn_engine::inspect::FileInfo;

    use super::*;

    #[test]
    fn what_needs_the_key_is_left_open_without_it() {
        let file = FileInfo { name: "sst/x".into(), size: 3, kind: None, table: None, rows: None, dead: None };
        let text = describe(&Inspection { files: vec![file], ..Inspection::default() }).unwrap();
        assert!(text.contains("sst/x  3 bytes, table ?, ?, ? rows, ? ended"), "{text}");
        assert_eq!(time(0), "1970-01-01 00:00:00+00");
    }
}
