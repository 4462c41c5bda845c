//! EXPLAIN, and EXPLAIN ANALYZE with what the statement asked of the store.
//!
//! Promises: ANALYZE really runs the statement, a write included, and counts its own requests alone.
//! Never: EXPLAIN without ANALYZE runs anything.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use firn_manifest::tally::Tally;
use futures::StreamExt;
use serde_json::json;
use sqlparser::ast::{self, Expr, UtilityOption, Value};

use super::{Call, Outcome, Session, explain_json, unsupported, writes};
use crate::error::{Error, Result};
use crate::sql::explain::sources;
use crate::sql::query::Query;
use crate::sql::resolve::resolve;

/// How EXPLAIN was asked for.
#[derive(Default)]
struct How {
    analyze: bool,
    verbose: bool,
    json: bool,
}

impl Session {
    pub(super) async fn explain(&mut self, call: &Call<'_>) -> Result<Outcome> {
        let ast::Statement::Explain { analyze, verbose, format, options, query_plan, estimate, statement, .. } =
            &call.statement.ast
        else {
            return Err(Error::internal("EXPLAIN of nothing"));
        };
        if format.is_some() || *query_plan || *estimate {
            return Err(Error::unsupported(
                "this form of EXPLAIN",
                "write EXPLAIN, EXPLAIN ANALYZE or EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON)",
            ));
        }
        let mut how = How { analyze: *analyze, verbose: *verbose, json: false };
        for option in options.iter().flatten() {
            how.option(option)?;
        }
        let lines = match statement.as_ref() {
            ast::Statement::Query(query) if !writes(query) => self.explain_read(call, statement, &how).await?,
            other if unsupported::may_write(other) => self.explain_write(call, other, &how).await?,
            other => return Err(unsupported::error(other)),
        };
        let field = Field::new("QUERY PLAN", DataType::Utf8View, false);
        let batch = RecordBatch::try_new(
            Arc::new(Schema::new(vec![field])),
            vec![Arc::new(StringViewArray::from_iter_values(lines))],
        );
        Ok(call.rows("EXPLAIN", vec![batch.map_err(|e| Error::internal(format!("EXPLAIN: {e}")))?]))
    }

    async fn explain_read(&mut self, call: &Call<'_>, statement: &ast::Statement, how: &How) -> Result<Vec<String>> {
        let world = call.store.world().clone();
        let begun = world.monotonic();
        let view = self.query(&call.store, call.params).await?;
        let mut statement = statement.clone();
        resolve(&mut statement, &view).await?;
        let mut lines = Vec::new();
        if how.verbose {
            let logical = view.optimized(&view.plan(statement.clone()).await?)?;
            lines.extend(indented(&logical.display_indent().to_string(), ""));
            lines.push(String::new());
        }
        let plan = view.physical(statement).await?;
        let position = view.at().0;
        if !how.analyze && how.json {
            return Ok(explain_json::lines(&json!({ "Plan": explain_json::node(&plan, false), "Position": position })));
        }
        if !how.analyze {
            lines.extend(indented(&DisplayableExecutionPlan::new(plan.as_ref()).indent(how.verbose).to_string(), ""));
            return Ok(lines);
        }
        let (_, mut rows) = view.run(plan.clone())?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            count += batch?.num_rows();
        }
        let elapsed = world.monotonic().saturating_sub(begun);
        if how.json {
            let mut document = json!({
                "Plan": explain_json::node(&plan, true),
                "Position": position,
                "Actual Rows": count,
                "Execution Time": explain_json::millis(elapsed),
            });
            explain_json::add_requests(&mut document, &call.tally);
            return Ok(explain_json::lines(&document));
        }
        lines.extend(indented(
            &DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(how.verbose).to_string(),
            "",
        ));
        lines.push(format!("Rows: {count}"));
        lines.push(format!("Time: {:.3} ms", elapsed.as_secs_f64() * 1000.0));
        lines.extend(requests(&call.tally));
        Ok(lines)
    }

    async fn explain_write(&mut self, call: &Call<'_>, statement: &ast::Statement, how: &How) -> Result<Vec<String>> {
        if how.analyze {
            let world = call.store.world().clone();
            let begun = world.monotonic();
            let outcome = self.write(call, statement).await?;
            let elapsed = world.monotonic().saturating_sub(begun);
            if how.json {
                let mut document = json!({
                    "Statement": outcome.tag,
                    "Position": outcome.position.map(|p| p.0),
                    "Actual Rows": outcome.rows_affected,
                    "Execution Time": explain_json::millis(elapsed),
                });
                explain_json::add_requests(&mut document, &call.tally);
                return Ok(explain_json::lines(&document));
            }
            let mut lines = vec![outcome.tag];
            lines.extend(outcome.position.map(|p| format!("Position: {p}")));
            lines.push(format!("Time: {:.3} ms", elapsed.as_secs_f64() * 1000.0));
            lines.extend(requests(&call.tally));
            return Ok(lines);
        }
        let view = self.query(&call.store, call.params).await?;
        let mut statement = statement.clone();
        resolve(&mut statement, &view).await?;
        let (title, source) = sources(&statement)?;
        if how.json {
            let mut document = json!({ "Statement": title });
            if let Some(source) = source {
                let plan = view.physical(ast::Statement::Query(Box::new(source))).await?;
                document["Plan"] = explain_json::node(&plan, false);
            }
            return Ok(explain_json::lines(&document));
        }
        let mut lines = vec![title];
        if let Some(source) = source {
            lines.extend(plan_lines(&view, source, how).await?);
        }
        Ok(lines)
    }
}

async fn plan_lines(view: &Query, source: ast::Query, how: &How) -> Result<Vec<String>> {
    let plan = view.physical(ast::Statement::Query(Box::new(source))).await?;
    Ok(indented(&DisplayableExecutionPlan::new(plan.as_ref()).indent(how.verbose).to_string(), "  "))
}

fn indented(text: &str, by: &str) -> Vec<String> {
    text.lines().map(|l| format!("{by}{}", shown(l))).collect()
}

/// A line of a plan without names of ours.
fn shown(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).collect()
}

fn requests(tally: &Tally) -> Vec<String> {
    let t = tally.summary();
    vec![
        format!("Requests: {} (GET {}, PUT {}, LIST {}, DELETE {})", t.requests, t.gets, t.puts, t.lists, t.deletes),
        format!("Bytes read: {}", t.bytes_read),
        format!("Bytes written: {}", t.bytes_written),
        format!("Round trips: {}", t.round_trips),
    ]
}

impl How {
    fn option(&mut self, option: &UtilityOption) -> Result<()> {
        let on = match &option.arg {
            None => true,
            Some(Expr::Value(v)) => match &v.value {
                Value::Boolean(b) => *b,
                Value::Number(n, _) => *n != "0",
                Value::SingleQuotedString(s) => s.eq_ignore_ascii_case("on") || s.eq_ignore_ascii_case("true"),
                _ => true,
            },
            Some(Expr::Identifier(i)) => i.value.eq_ignore_ascii_case("on") || i.value.eq_ignore_ascii_case("true"),
            Some(_) => false,
        };
        match option.name.value.to_ascii_lowercase().as_str() {
            "analyze" => self.analyze = on,
            "verbose" => self.verbose = on,
            "costs" | "timing" | "summary" | "buffers" | "settings" | "wal" => {}
            "format" => match &option.arg {
                Some(Expr::Identifier(i)) if i.value.eq_ignore_ascii_case("text") => self.json = false,
                Some(Expr::Identifier(i)) if i.value.eq_ignore_ascii_case("json") => self.json = true,
                _ => return Err(Error::unsupported("this FORMAT of EXPLAIN", "use FORMAT TEXT or FORMAT JSON")),
            },
            other => {
                return Err(Error::unsupported(
                    format!("EXPLAIN ({})", other.to_ascii_uppercase()),
                    "write EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, FORMAT JSON)",
                ));
            }
        }
        Ok(())
    }
}
