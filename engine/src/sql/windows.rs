//! Windows that are named: `OVER w`, `OVER (w ORDER BY …)` and `WINDOW b AS (a ORDER BY …)` become whole windows.
//!
//! Promises: what a named window says is kept by every window that begins with it.
//! Never: a window overrides what the one it is made from says (42P20).

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, Query, Select, VisitMut, VisitorMut, WindowSpec, WindowType,
};

use super::resolve::folded;
use crate::error::{Error, Result};

/// Puts the windows that a SELECT names in the places of their names.
///
/// # Errors
/// 42704 for a name that is not there, 42P20 for a window that overrides its base.
pub fn settle(select: &mut Select) -> Result<()> {
    let mut known = HashMap::new();
    for NamedWindowDefinition(name, window) in &select.named_window {
        let spec = match window {
            NamedWindowExpr::NamedWindow(other) => find(&known, &folded(other))?,
            NamedWindowExpr::WindowSpec(spec) => whole(spec, &known)?,
        };
        if known.insert(folded(name), spec).is_some() {
            return Err(Error::statement("42P20", format!("window \"{name}\" is already defined")));
        }
    }
    let named = std::mem::take(&mut select.named_window);
    let mut places = Places { known: &known, inside: 0 };
    let done = select.visit(&mut places);
    drop(named);
    match done {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn find(known: &HashMap<String, WindowSpec>, name: &str) -> Result<WindowSpec> {
    known.get(name).cloned().ok_or_else(|| Error::statement("42704", format!("window \"{name}\" does not exist")))
}

/// The window with what the one it begins with says.
fn whole(spec: &WindowSpec, known: &HashMap<String, WindowSpec>) -> Result<WindowSpec> {
    let Some(base) = &spec.window_name else { return Ok(spec.clone()) };
    let name = folded(base);
    let base = find(known, &name)?;
    let refused = |what: &str| Err(Error::statement("42P20", format!("cannot override {what} of window \"{name}\"")));
    if !spec.partition_by.is_empty() {
        return refused("PARTITION BY clause");
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        return refused("ORDER BY clause");
    }
    if base.window_frame.is_some() {
        return Err(Error::statement("42P20", format!("cannot copy window \"{name}\" because it has a frame clause")));
    }
    let order_by = if spec.order_by.is_empty() { base.order_by } else { spec.order_by.clone() };
    let window_frame = spec.window_frame.clone();
    Ok(WindowSpec { window_name: None, partition_by: base.partition_by, order_by, window_frame })
}

/// The calls of the SELECT itself, not those of queries inside it.
struct Places<'a> {
    known: &'a HashMap<String, WindowSpec>,
    inside: usize,
}

impl VisitorMut for Places<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Box<Error>> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Box<Error>> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if self.inside > 0 {
            return ControlFlow::Continue(());
        }
        let spec = match &function.over {
            Some(WindowType::NamedWindow(name)) => find(self.known, &folded(name)),
            Some(WindowType::WindowSpec(spec)) if spec.window_name.is_some() => whole(spec, self.known),
            _ => return ControlFlow::Continue(()),
        };
        match spec {
            Ok(spec) => {
                function.over = Some(WindowType::WindowSpec(spec));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn a_window_keeps_what_its_base_says() {
        let over = |over: &str| {
            format!(
                "SELECT string_agg(s::text, ',' ORDER BY s) FROM (SELECT sum(x) OVER {over} AS s FROM (VALUES (1, 1), (1, 2), (2, 4)) t(g, x) WINDOW w AS (PARTITION BY g), v AS (w ORDER BY x)) t"
            )
        };
        assert_eq!(one(&over("w")).await, "3,3,4");
        assert_eq!(one(&over("(w ORDER BY x)")).await, "1,3,4");
        assert_eq!(one(&over("v")).await, "1,3,4");
        assert_eq!(error(&over("nope")).await, "42704");
        assert_eq!(error(&over("(w PARTITION BY x)")).await, "42P20");
        assert_eq!(error(&over("(v ORDER BY x)")).await, "42P20");
    }
}
