//! Random statements against a map that does the same: who is right is never in doubt.
//!
//! Promises: after every step, and after reopening, the table holds exactly what the map holds; a statement that fails
//! in one fails in the other and changes neither.
//! Never: the steps differ between two runs with one seed.

use std::collections::BTreeMap;

use super::Db;

type Rows = BTreeMap<i64, Option<i64>>;

/// A small generator: xorshift.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::try_from(n).unwrap()) as i64
    }

    fn rows(&mut self) -> Vec<(i64, Option<i64>)> {
        (0..1 + self.below(6)).map(|_| (self.below(40), (self.below(5) > 0).then(|| self.below(100)))).collect()
    }
}

fn values(rows: &[(i64, Option<i64>)]) -> String {
    let value = |v: &Option<i64>| v.map_or_else(|| "NULL".to_owned(), |v| v.to_string());
    rows.iter().map(|(k, v)| format!("({k}, {})", value(v))).collect::<Vec<_>>().join(", ")
}

/// One statement, and what the map says of it: the new rows, or the SQLSTATE.
fn step(draw: &mut Draw, rows: &Rows) -> (String, Result<(Rows, usize), &'static str>) {
    let mut next = rows.clone();
    match draw.below(7) {
        0 => {
            let new = draw.rows();
            let mut result = Ok(());
            for (k, v) in &new {
                if next.insert(*k, *v).is_some() {
                    result = Err("23505");
                }
            }
            (format!("INSERT INTO t VALUES {}", values(&new)), result.map(|()| (next, new.len())))
        }
        1 => {
            let new = draw.rows();
            let before = next.len();
            for (k, v) in &new {
                next.entry(*k).or_insert(*v);
            }
            let count = next.len() - before;
            (format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", values(&new)), Ok((next, count)))
        }
        2 => {
            let new = draw.rows();
            let mut seen = std::collections::BTreeSet::new();
            let twice = new.iter().any(|(k, _)| !seen.insert(*k));
            for (k, v) in &new {
                let sum = match next.get(k) {
                    Some(old) => old.zip(*v).map(|(a, b)| a + b),
                    None => *v,
                };
                next.insert(*k, sum);
            }
            let sql =
                format!("INSERT INTO t VALUES {} ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v", values(&new));
            (sql, if twice { Err("21000") } else { Ok((next, new.len())) })
        }
        3 => {
            let (low, add) = (draw.below(40), draw.below(10));
            let mut count = 0;
            for (_, v) in next.range_mut(low..low + 10) {
                *v = v.map(|v| v + add);
                count += 1;
            }
            (format!("UPDATE t SET v = v + {add} WHERE k >= {low} AND k < {}", low + 10), Ok((next, count)))
        }
        4 => {
            let (low, by) = (draw.below(40), draw.below(9) - 4);
            let moved: Vec<i64> = next.range(low..low + 6).map(|(k, _)| *k).collect();
            let taken: Vec<(i64, Option<i64>)> =
                moved.iter().filter_map(|k| next.remove(k).map(|v| (k + by, v))).collect();
            let mut result = Ok(());
            for (k, v) in taken {
                if next.insert(k, v).is_some() {
                    result = Err("23505");
                }
            }
            (
                format!("UPDATE t SET k = k + {by} WHERE k >= {low} AND k < {}", low + 6),
                result.map(|()| (next, moved.len())),
            )
        }
        5 => {
            let parity = draw.below(3);
            let before = next.len();
            next.retain(|k, v| k.rem_euclid(3) != parity || v.is_some_and(|v| v < 50));
            let count = before - next.len();
            (format!("DELETE FROM t WHERE (k % 3 + 3) % 3 = {parity} AND (v IS NULL OR v >= 50)"), Ok((next, count)))
        }
        _ => {
            let mut count = 0;
            let copies: Vec<(i64, Option<i64>)> =
                rows.iter().filter(|(k, _)| **k < 5).map(|(k, v)| (k + 50, *v)).collect();
            let mut result = Ok(());
            for (k, v) in copies {
                count += 1;
                if next.insert(k, v).is_some() {
                    result = Err("23505");
                }
            }
            ("INSERT INTO t SELECT k + 50, v FROM t WHERE k < 5".to_owned(), result.map(|()| (next, count)))
        }
    }
}

fn shown(rows: &Rows) -> Vec<String> {
    rows.iter().map(|(k, v)| format!("{k}|{}", v.map_or_else(|| "NULL".to_owned(), |v| v.to_string()))).collect()
}

#[tokio::test]
async fn random_statements_agree_with_a_map() {
    for seed in [1, 2, 3] {
        let mut draw = Draw(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let mut db = Db::with("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT)").await;
        let (mut rows, mut in_block, mut saved) = (Rows::new(), false, Rows::new());
        for n in 0..120 {
            let (sql, want) = step(&mut draw, &rows);
            // a failed statement would end the block, so only those that pass are run in one
            match want {
                Ok((next, count)) => {
                    let tag = db.ok(&sql).await;
                    assert!(
                        tag.ends_with(&format!(" {count}")),
                        "seed {seed}, step {n}: {sql} gave {tag}, not {count}"
                    );
                    rows = next;
                }
                Err(_) if in_block => {}
                Err(state) => assert_eq!(db.err(&sql).await.sqlstate, state, "seed {seed}, step {n}: {sql}"),
            }
            match draw.below(8) {
                0 if !in_block => {
                    db.ok("BEGIN").await;
                    (in_block, saved) = (true, rows.clone());
                }
                0 | 1 if in_block => {
                    db.ok("COMMIT").await;
                    in_block = false;
                }
                2 if in_block => {
                    db.ok("ROLLBACK").await;
                    (in_block, rows) = (false, saved.clone());
                }
                3 if !in_block => db.reopen().await,
                _ => {}
            }
            assert_eq!(db.rows("SELECT k, v FROM t ORDER BY k").await, shown(&rows), "seed {seed}, step {n}: {sql}");
        }
    }
}
