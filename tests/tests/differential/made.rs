//! Random databases and what is asked of them.
//!
//! Promises: every statement is one that PostgreSQL would carry out too; conditions nest three levels and use every
//! kind of column, NULLs among their values.
//! Never: an expression that may fail for some row, so that any error is a finding.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A database, and the tables and conditions asked of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub before: Vec<String>,
    pub after: Vec<String>,
    pub asked: Vec<(String, String)>,
}

/// `SELECT … FROM … WHERE …` in its variations.
#[derive(Clone, Debug)]
pub struct Shape {
    pub select: String,
    pub from: String,
    pub condition: String,
}

impl Shape {
    fn from(&self, at: Option<u64>) -> String {
        match at {
            Some(position) => self.from.replacen("t a", &format!("t AS OF POSITION {position} a"), 1),
            None => self.from.clone(),
        }
    }

    pub fn all(&self, at: Option<u64>) -> String {
        format!("SELECT {} FROM {}", self.select, self.from(at))
    }

    /// The rows for which the condition is true, false, unknown.
    pub fn parts(&self, at: Option<u64>) -> [String; 3] {
        let (all, c) = (self.all(at), &self.condition);
        [format!("{all} WHERE {c}"), format!("{all} WHERE NOT ({c})"), format!("{all} WHERE ({c}) IS NULL")]
    }

    pub fn counted(&self, at: Option<u64>) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.from(at), self.condition)
    }

    pub fn computed(&self, at: Option<u64>) -> String {
        let from = self.from(at);
        format!(
            "SELECT coalesce(sum(CASE WHEN p THEN 1 ELSE 0 END), 0) FROM (SELECT ({}) AS p FROM {from}) c",
            self.condition
        )
    }

    pub fn sums(&self, at: Option<u64>) -> String {
        let from = self.from(at);
        format!(
            "SELECT count(*) || '/' || coalesce(sum(a.i), 0) || '/' || coalesce(max(a.s), '-') || '/' || coalesce(min(a.n), 0) FROM {from}"
        )
    }

    pub fn sums_of_parts(&self, at: Option<u64>) -> String {
        let part = |filter: String| {
            format!(
                "SELECT count(*) AS c, sum(a.i) AS s, max(a.s) AS x, min(a.n) AS m FROM {} WHERE {filter}",
                self.from(at)
            )
        };
        let c = &self.condition;
        let parts = [part(c.clone()), part(format!("NOT ({c})")), part(format!("({c}) IS NULL"))].join(" UNION ALL ");
        format!(
            "SELECT sum(c) || '/' || coalesce(sum(s), 0) || '/' || coalesce(max(x), '-') || '/' || coalesce(min(m), 0) FROM ({parts}) u"
        )
    }

    pub fn distinct(&self, at: Option<u64>) -> String {
        format!("SELECT DISTINCT a.s, a.b FROM {}", self.from(at))
    }

    pub fn distinct_of_parts(&self, at: Option<u64>) -> String {
        let part = |filter: String| format!("SELECT a.s, a.b FROM {} WHERE {filter}", self.from(at));
        let c = &self.condition;
        [part(c.clone()), part(format!("NOT ({c})")), part(format!("({c}) IS NULL"))].join(" UNION ")
    }
}

fn whole() -> impl Strategy<Value = String> {
    prop_oneof![3 => (-3i32..8).prop_map(|v| v.to_string()), 1 => Just("NULL".to_owned())]
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![3 => (-300i32..300).prop_map(|v| format!("{}", f64::from(v) / 100.0)), 1 => Just("NULL".to_owned())]
}

fn text() -> impl Strategy<Value = String> {
    let texts = vec!["''", "'a'", "'A'", "'ab'", "'b'", "'%'", "'_'", "'\u{e4}'", "'a\\b'", "NULL"];
    select(texts).prop_map(str::to_owned)
}

fn truth() -> impl Strategy<Value = String> {
    select(vec!["true", "false", "NULL"]).prop_map(str::to_owned)
}

fn insert(table: &'static str, from: u32) -> impl Strategy<Value = String> {
    vec((whole(), decimal(), text(), truth()), 1..14).prop_map(move |rows| {
        let rows: Vec<String> =
            rows.into_iter().zip(from..).map(|((i, n, s, b), k)| format!("({k}, {i}, {n}, {s}, {b})")).collect();
        format!("INSERT INTO {table} VALUES {}", rows.join(", "))
    })
}

fn change() -> impl Strategy<Value = String> {
    prop_oneof![
        (whole(), condition("t.")).prop_map(|(v, c)| format!("UPDATE t SET i = {v} WHERE {c}")),
        (text(), condition("t.")).prop_map(|(v, c)| format!("UPDATE t SET s = {v}, b = NOT b WHERE {c}")),
        condition("t.").prop_map(|c| format!("DELETE FROM t WHERE {c}")),
        insert("t", 40).prop_map(|i| format!("{i} ON CONFLICT (k) DO UPDATE SET i = excluded.i")),
    ]
}

fn number(of: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec!["i", "k", "n"]).prop_map(move |c| format!("{of}{c}")),
        whole(),
        decimal(),
        Just(format!("length({of}s)")),
        Just(format!("coalesce({of}i, 1)")),
    ];
    leaf.prop_recursive(2, 6, 2, move |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), select(vec!["+", "-", "*"]))
                .prop_map(|(a, b, op)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("nullif({a}, {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("greatest({a}, {b})")),
        ]
    })
}

fn string(of: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(format!("{of}s")),
        1 => text(),
        1 => Just(format!("upper({of}s)")),
        1 => Just(format!("{of}s || 'a'")),
        1 => Just(format!("substring({of}s, 1, 1)")),
    ]
}

fn condition(of: &'static str) -> impl Strategy<Value = String> {
    let compare = || select(vec!["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
    let leaf = prop_oneof![
        (number(of), compare(), number(of)).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (string(of), compare(), string(of)).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        Just(format!("{of}b")),
        (number(of), whole(), whole()).prop_map(|(a, b, c)| format!("{a} BETWEEN {b} AND {c}")),
        (number(of), vec(whole(), 1..4)).prop_map(|(a, list)| format!("{a} IN ({})", list.join(", "))),
        (string(of), vec(text(), 1..4)).prop_map(|(a, list)| format!("{a} NOT IN ({})", list.join(", "))),
        (string(of), select(vec!["'a%'", "'_'", "'%b'", "'A%'", "NULL"])).prop_map(|(a, p)| format!("{a} LIKE {p}")),
        string(of).prop_map(|a| format!("{a} IS NULL")),
        Just(format!("coalesce({of}i, 1) IN (SELECT i FROM u WHERE i IS NOT NULL)")),
        Just(format!("coalesce({of}i, 1) NOT IN (SELECT i FROM u WHERE i IS NOT NULL)")),
        Just(format!("EXISTS (SELECT 1 FROM u WHERE u.i = {of}i)")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner.clone().prop_map(|a| format!("({a}) IS NOT TRUE")),
            inner.prop_map(|a| format!("CASE WHEN {a} THEN true ELSE false END")),
        ]
    })
}

fn from() -> impl Strategy<Value = String> {
    select(vec![
        "t a",
        "t a JOIN u c ON a.i = c.i",
        "t a LEFT JOIN u c ON a.i = c.i",
        "t a LEFT JOIN u c ON a.i = c.i AND c.b",
        "t a FULL JOIN u c ON a.i = c.i AND a.s = c.s",
        "t a CROSS JOIN u c",
    ])
    .prop_map(str::to_owned)
}

/// A random case.
pub fn case() -> impl Strategy<Value = Case> {
    let keyed = any::<bool>();
    let asked = vec((from(), condition("a.")), 2..5);
    (keyed, insert("t", 0), insert("u", 0), vec(change(), 0..4), vec(change(), 1..4), asked, condition("a.")).prop_map(
        |(keyed, t, u, changes, after, mut asked, plain)| {
            let key = if keyed { " PRIMARY KEY" } else { "" };
            let columns = |key: &str| format!("(k INTEGER{key}, i INTEGER, n NUMERIC(10,2), s TEXT, b BOOLEAN)");
            let mut before =
                vec![format!("CREATE TABLE t {}", columns(key)), format!("CREATE TABLE u {}", columns(""))];
            before.extend([t, u]);
            before.extend(changes.into_iter().filter(|c| keyed || !c.contains("ON CONFLICT")));
            let after = after.into_iter().filter(|c| keyed || !c.contains("ON CONFLICT")).collect();
            asked.push(("t a".to_owned(), plain));
            Case { before, after, asked }
        },
    )
}
