//! Names the SQL layer gives to things of its own: a table at a position, a table with its row locations, an output
//! column that must not collide.
//!
//! Promises: such a name can be told from every name a user can write, and back to what he wrote.
//! Never: one of them reaches the user's eye.

use firn_manifest::ids::Position;

/// Stands between a table's name and the position it is read at. Users cannot write it: the parser refuses control
/// characters in names.
const AT: char = '\u{1}';

/// Ends the name under which the writing statements reach rows with their locations.
pub const ROWS: &str = "@rows";

/// A table of that name as it was at a position.
#[must_use]
pub fn at_position(table: &str, position: Position) -> String {
    format!("{table}{AT}{position}")
}

/// The name and the position of a table that is read in the past.
#[must_use]
pub fn split_position(name: &str) -> Option<(&str, Position)> {
    let (table, position) = name.split_once(AT)?;
    Some((table, Position(position.parse().ok()?)))
}

/// Every version of a table of that name.
#[must_use]
pub fn history(table: &str) -> String {
    format!("{table}{AT}history")
}

/// The table whose every version is meant.
#[must_use]
pub fn split_history(name: &str) -> Option<&str> {
    name.strip_suffix("history")?.strip_suffix(AT)
}

/// The table whose rows are meant with their locations.
#[must_use]
pub fn split_rows(name: &str) -> Option<&str> {
    name.strip_suffix(ROWS)
}

/// An output column's name that collides with nothing, from the name it shall be shown under.
#[must_use]
pub fn unique_output(index: usize, shown: &str) -> String {
    format!("{AT}{index}{AT}{shown}")
}

/// The name as the user may see it.
#[must_use]
pub fn shown(name: &str) -> &str {
    match name.strip_prefix(AT) {
        Some(rest) => rest.split_once(AT).map_or(rest, |(_, shown)| shown),
        None => split_position(name).map_or(name, |(table, _)| table),
    }
}

/// Whether the name is one of ours.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    name.contains(AT) || name == "_loc" || name == "_begin"
}

/// Whether a user may write this name at all.
#[must_use]
pub fn is_allowed(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn names_come_back() {
        let name = at_position("Odd name@3", Position(17));
        assert_eq!(split_position(&name), Some(("Odd name@3", Position(17))));
        assert_eq!(shown(&name), "Odd name@3");
        assert_eq!(shown(&unique_output(2, "count")), "count");
        assert!(is_internal(&name) && !is_internal("Odd name@3"));
        assert!(!is_allowed(&name));
    }
}
