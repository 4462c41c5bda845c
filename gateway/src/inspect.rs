//! `firn inspect`: what lies under a namespace.
//!
//! Promises: it reads only; what needs the key is left out where there is none.
//! Never: a value of a row is shown.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value;

use firn_engine::inspect::inspect;

use crate::cli::InspectArgs;
use crate::exit::Failure;
use crate::open;

/// Runs `firn inspect`.
///
/// # Errors
/// If the store cannot be read.
pub async fn run(args: InspectArgs) -> Result<(), Failure> {
    let uri = open::parse_uri(&args.uri)?;
    let inspection = inspect(&open::store(&uri)?, open::keys(&uri).ok()).await?;
    let failed = |e: serde_json::Error| Failure::Output(std::io::Error::other(e));
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&inspection).map_err(failed)?)?;
    } else {
        let value = serde_json::to_value(&inspection).map_err(failed)?;
        let mut text = String::new();
        outline(&value, 0, &mut text);
        write!(out, "{text}")?;
    }
    out.flush()?;
    Ok(())
}

/// JSON as indented lines for people; a list of objects becomes one line each.
fn outline(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            for (name, value) in fields {
                let label = name.replace('_', " ");
                match value {
                    Value::Object(_) | Value::Array(_) if !is_small(value) => {
                        let count = value.as_array().map(|items| format!(" ({})", items.len())).unwrap_or_default();
                        let _ = writeln!(out, "{indent}{label}{count}:");
                        outline(value, depth + 1, out);
                    }
                    _ => {
                        let _ = writeln!(out, "{indent}{label:width$}  {}", inline(value));
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = writeln!(out, "{indent}{}", inline(item));
            }
        }
        other => {
            let _ = writeln!(out, "{indent}{}", inline(other));
        }
    }
}

/// Whether a list or an object has nothing in it.
fn is_small(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !value.is_null());
            shown.map(|(name, value)| format!("{name}={}", inline(value))).collect::<Vec<_>>().join("  ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_objects_are_lines() {
        let mut text = String::new();
        let value = json!({"namespace": "acme", "files": [{"name": "a", "size": 3, "rows": null}], "retired": []});
        outline(&value, 0, &mut text);
        assert_eq!(text, "namespace  acme\nfiles (1):\n  name=a  size=3\nretired    none\n");
    }
}
