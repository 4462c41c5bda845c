//! Statements on two tables that UNIQUE and FOREIGN KEY constraints bind, and what the model says of them.
//!
//! Promises: a statement that breaks a constraint is told apart from one that does not, with its SQLSTATE, and changes
//! nothing.
//! Never: which of two constraints is broken depends on the order they are checked in.

use std::collections::BTreeSet;

use super::model::{Dice, Table, Tables};

pub const PARENT: &str = "p";
pub const CHILD: &str = "c";

const KEYS: u64 = 10;
/// Values of the unique column.
const VALUES: u64 = 14;

const UNIQUE: &str = "23505";
const FOREIGN: &str = "23503";

fn shown(value: Option<u64>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |v| v.to_string())
}

/// A statement, and the SQLSTATE it fails with; when it does, the tables stay as they are.
pub fn statement(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    if !tables.contains_key(PARENT) {
        tables.insert(PARENT, Table { columns: vec!["u".into()], ..Table::default() });
        return (format!("CREATE TABLE {PARENT} (id BIGINT PRIMARY KEY, u BIGINT UNIQUE)"), None);
    }
    if !tables.contains_key(CHILD) {
        tables.insert(CHILD, Table { columns: vec!["p".into(), "q".into(), "v".into()], ..Table::default() });
        let sql = format!(
            "CREATE TABLE {CHILD} (id BIGINT PRIMARY KEY, p BIGINT REFERENCES {PARENT} ON DELETE CASCADE, \
             q BIGINT REFERENCES {PARENT} ON DELETE SET NULL, v BIGINT); CREATE INDEX ON {CHILD} (p)"
        );
        return (sql, None);
    }
    let mut next = tables.clone();
    let (sql, fault) = match dice.below(9) {
        0 | 1 => add_parents(dice, &mut next),
        2 | 3 => add_children(dice, &mut next),
        4 => remove_parents(dice, &mut next),
        5 => change_parents(dice, &mut next),
        6 => move_parent(dice, &mut next),
        7 => change_children(dice, &mut next),
        _ => merge(dice, &mut next),
    };
    if fault.is_none() {
        *tables = next;
    }
    (sql, fault)
}

fn rows<'a>(tables: &'a mut Tables, name: &str) -> &'a mut std::collections::BTreeMap<u64, Vec<Option<u64>>> {
    &mut tables.get_mut(name).unwrap().rows
}

fn some(dice: &mut Dice, limit: u64) -> Option<u64> {
    (dice.below(5) > 0).then(|| dice.below(limit))
}

/// Whether no two rows hold one value in the unique column.
fn unique(tables: &Tables) -> bool {
    let mut seen = BTreeSet::new();
    tables[PARENT].rows.values().filter_map(|row| row[0]).all(|u| seen.insert(u))
}

/// Whether every child's parents are there.
fn bound(tables: &Tables) -> bool {
    let there = |id: Option<u64>| id.is_none_or(|id| tables[PARENT].rows.contains_key(&id));
    tables[CHILD].rows.values().all(|row| there(row[0]) && there(row[1]))
}

fn add_parents(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let low = dice.below(KEYS);
    let new: Vec<(u64, Option<u64>)> = (low..=low + dice.below(3)).map(|id| (id, some(dice, VALUES))).collect();
    let values: Vec<String> = new.iter().map(|(id, u)| format!("({id}, {})", shown(*u))).collect();
    let insert = format!("INSERT INTO {PARENT} VALUES {}", values.join(", "));
    if dice.below(3) == 0 {
        for (id, u) in new {
            let held = rows(tables, PARENT);
            let taken = held.contains_key(&id) || u.is_some() && held.values().any(|row| row[0] == u);
            if !taken {
                held.insert(id, vec![u]);
            }
        }
        return (format!("{insert} ON CONFLICT DO NOTHING"), None);
    }
    let twice = new.iter().filter(|(id, u)| rows(tables, PARENT).insert(*id, vec![*u]).is_some()).count() > 0;
    let fault = (twice || !unique(tables)).then_some(UNIQUE);
    (insert, fault)
}

fn add_children(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let low = dice.below(2 * KEYS);
    let free: Vec<u64> = (low..=low + dice.below(3)).filter(|id| !tables[CHILD].rows.contains_key(id)).collect();
    if free.is_empty() {
        rows(tables, CHILD).retain(|id, _| *id < low);
        return (format!("DELETE FROM {CHILD} WHERE id >= {low}"), None);
    }
    let mut values = Vec::new();
    for id in free {
        let row = vec![some(dice, KEYS), some(dice, KEYS), some(dice, 100)];
        values.push(format!("({id}, {}, {}, {})", shown(row[0]), shown(row[1]), shown(row[2])));
        rows(tables, CHILD).insert(id, row);
    }
    let fault = (!bound(tables)).then_some(FOREIGN);
    (format!("INSERT INTO {CHILD} VALUES {}", values.join(", ")), fault)
}

fn remove_parents(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let low = dice.below(KEYS);
    let high = low + dice.below(3);
    rows(tables, PARENT).retain(|id, _| *id < low || *id > high);
    let gone = |id: Option<u64>| id.is_some_and(|id| (low..=high).contains(&id));
    rows(tables, CHILD).retain(|_, row| !gone(row[0]));
    for row in rows(tables, CHILD).values_mut().filter(|row| gone(row[1])) {
        row[1] = None;
    }
    (format!("DELETE FROM {PARENT} WHERE id BETWEEN {low} AND {high}"), None)
}

fn change_parents(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let (low, high) = (dice.below(KEYS), dice.below(KEYS));
    let by = 1 + dice.below(3);
    for row in rows(tables, PARENT).range_mut(low..=low.max(high)).map(|(_, row)| row) {
        row[0] = row[0].map(|u| u + by);
    }
    let fault = (!unique(tables)).then_some(UNIQUE);
    (format!("UPDATE {PARENT} SET u = u + {by} WHERE id BETWEEN {low} AND {}", low.max(high)), fault)
}

fn move_parent(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let (from, to) = (dice.below(KEYS), KEYS + dice.below(KEYS));
    let sql = format!("UPDATE {PARENT} SET id = {to} WHERE id = {from}");
    if tables[PARENT].rows.contains_key(&to) {
        rows(tables, PARENT).remove(&to);
        let gone = |id: Option<u64>| id == Some(to);
        rows(tables, CHILD).retain(|_, row| !gone(row[0]));
        for row in rows(tables, CHILD).values_mut().filter(|row| gone(row[1])) {
            row[1] = None;
        }
        return (format!("DELETE FROM {PARENT} WHERE id = {to}"), None);
    }
    if let Some(row) = rows(tables, PARENT).remove(&from) {
        rows(tables, PARENT).insert(to, row);
    }
    (sql, (!bound(tables)).then_some(FOREIGN))
}

fn change_children(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let (low, parent) = (dice.below(2 * KEYS), some(dice, 2 * KEYS));
    let at = dice.below(2) as usize;
    for row in rows(tables, CHILD).range_mut(low..=low + 3).map(|(_, row)| row) {
        row[at] = parent;
    }
    let column = ["p", "q"][at];
    let sql = format!("UPDATE {CHILD} SET {column} = {} WHERE id BETWEEN {low} AND {}", shown(parent), low + 3);
    (sql, (!bound(tables)).then_some(FOREIGN))
}

/// Odd values end a row that is there, even ones change it, and a row that is not there is made.
fn merge(dice: &mut Dice, tables: &mut Tables) -> (String, Option<&'static str>) {
    let (low, parent) = (dice.below(2 * KEYS), some(dice, KEYS));
    let source: Vec<(u64, u64)> = (low..=low + dice.below(4)).map(|id| (id, dice.below(100))).collect();
    for (id, v) in &source {
        let held = rows(tables, CHILD);
        match held.get_mut(id) {
            Some(_) if v % 2 == 1 => {
                held.remove(id);
            }
            Some(row) => row[2] = Some(*v),
            None => {
                held.insert(*id, vec![parent, None, Some(*v)]);
            }
        }
    }
    let fault = (!bound(tables)).then_some(FOREIGN);
    let values: Vec<String> = source.iter().map(|(id, v)| format!("({id}, {v})")).collect();
    let sql = format!(
        "MERGE INTO {CHILD} USING (VALUES {}) s(id, v) ON {CHILD}.id = s.id WHEN MATCHED AND s.v % 2 = 1 THEN DELETE \
         WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, p, v) VALUES (s.id, {}, s.v)",
        values.join(", "),
        shown(parent)
    );
    (sql, fault)
}
