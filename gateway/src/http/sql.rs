//! `POST /v1/sql`: one statement, or a list of them as one transaction.
//!
//! Promises: a list is done whole or not at all; a write that is repeated under its request id gives its first answer; a
//! client that leaves ends the work it asked for, and a write whose object was on its way is whole or not there.
//! Never: a session outlives its request, or serves two namespaces.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use firn_cell::Quota;
use firn_engine::ScalarValue;
use firn_engine::session::{Access, AsOf, Session, Statement, parse};
use firn_engine::{Consistency, Database, Error, ErrorKind};
use firn_manifest::ids::Position;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Gateway;
use super::answer::{self, Answer, Form};
use super::caller::Caller;
use super::extract::Parameters;
use super::problem::{Document, Problem};

/// A statement runs so long when the request names no `timeout_ms`.
const TIMEOUT_MS: u64 = 60_000;
/// The longest that a request can ask for.
const LONGEST_MS: u64 = 3_600_000;
/// Statements of one list.
const STATEMENTS: usize = 1_000;
/// Parameters of one statement.
const PARAMETERS: usize = 65_535;

/// Which namespace.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Named {
    /// the namespace; else the header X-Firn-Namespace, else the key's own
    pub ns: Option<String>,
}

/// A statement, or a list of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// one statement
    sql: Option<String>,
    /// the values of $1, $2, …
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    params: Vec<Value>,
    /// statements that are done as one transaction
    statements: Option<Vec<One>>,
    /// the point in the past that plain table names are read at: a position, or a time
    #[schema(value_type = Option<Object>)]
    as_of: Option<Value>,
    /// the position that reads must have reached, as a write returned it
    min_position: Option<u64>,
    /// how fresh reads are
    #[serde(default)]
    consistency: Fresh,
    /// makes a write safe to repeat
    request_id: Option<String>,
    /// how long it may take
    timeout_ms: Option<u64>,
}

/// One statement of a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct One {
    /// the statement
    sql: String,
    /// the values of $1, $2, …
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    params: Vec<Value>,
}

/// How fresh reads are.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Fresh {
    /// everything acknowledged before the request
    #[default]
    Strong,
    /// what this gateway knows, without asking the store
    Snapshot,
}

/// What a request asks for, checked.
struct Work {
    statements: Vec<(Statement, Vec<ScalarValue>)>,
    list: bool,
    access: Access,
    as_of: Option<AsOf>,
    freshness: (Consistency, Option<Position>),
    request_id: Option<String>,
    timeout: Duration,
    /// of the answer, at most
    result_bytes: Option<u64>,
}

/// Run SQL
#[utoipa::path(
    post, path = "/v1/sql", params(Named), request_body = Request, security(("key" = [])),
    responses(
        (status = 200, description = "the answer, in the form that Accept asks for", content(
            (serde_json::Value = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"),
            (Vec<u8> = "application/vnd.apache.arrow.stream")
        ), headers(
            ("x-firn-position" = u64, description = "the position of a write, or the one that was read"),
            ("x-firn-requests" = u64, description = "store requests; absent while rows still come"),
            ("x-firn-bytes" = u64, description = "bytes read from and written to the store"),
            ("x-firn-round-trips" = u64, description = "requests that waited for one another")
        )),
        (status = "default", description = "what went wrong", body = Document, content_type = "application/problem+json")
    )
)]
pub async fn sql(
    State(gateway): State<Arc<Gateway>>,
    Parameters(named): Parameters<Named>,
    headers: HeaderMap,
    body: Result<Json<Request>, JsonRejection>,
) -> Result<Response, Problem> {
    let caller = Caller::of(&gateway, &headers, named.ns.as_deref()).await?;
    let tenant = caller.tenant()?;
    let Json(request) = body.map_err(rejected)?;
    let form = Form::accepted(&headers)?;
    let mut work = request.check()?;
    caller.may(&tenant, work.access)?;
    let permit = gateway.admission.admit(&tenant, gateway.world().monotonic())?;
    if let Some(most) = tenant.quotas.get(Quota::QueryTimeMs) {
        work.timeout = work.timeout.min(Duration::from_millis(most));
    }
    work.result_bytes = tenant.quotas.get(Quota::ResultBytes);
    let actor = caller.actor();
    let started = gateway.world().monotonic();
    let retries = usize::from(!work.list && work.access != Access::Read);
    let work = Arc::new(work);
    let mut tried = 0;
    let answered = loop {
        let database = gateway.namespaces.database(&tenant).await?;
        let run = run(database.clone(), work.clone(), actor.clone(), form);
        match answer::within(work.timeout, run).await {
            // nothing was acknowledged, and this process may open the namespace anew to write
            Err(error) if error.kind == ErrorKind::Fenced => {
                gateway.namespaces.drop_fenced(tenant.id, &database);
                if tried >= retries {
                    break Err(error);
                }
                tried += 1;
            }
            other => break other,
        }
    };
    let took = gateway.world().monotonic().saturating_sub(started);
    gateway.metrics.statement(work.access, answered.is_ok(), took);
    Ok(answered?.respond(form, permit))
}

/// A body that is not what it must be.
pub(super) fn rejected(rejection: JsonRejection) -> Problem {
    let problem = Problem::new(rejection.status(), "bad_request", rejection.body_text());
    problem.with_hint("send {\"sql\": \"…\", \"params\": […]} as application/json; /openapi.json describes it")
}

impl Request {
    fn check(self) -> Result<Work, Problem> {
        let list = self.statements.is_some();
        let given = match (self.sql, self.statements) {
            (Some(sql), None) => vec![One { sql, params: self.params }],
            (None, Some(_)) if !self.params.is_empty() => {
                return Err(Problem::bad_request("params stand beside statements: each of them has its own"));
            }
            (None, Some(statements)) if (1..=STATEMENTS).contains(&statements.len()) => statements,
            (None, Some(statements)) => {
                let detail =
                    format!("{} statements in a list: 1 to {STATEMENTS} are one transaction", statements.len());
                return Err(Problem::bad_request(detail));
            }
            _ => return Err(Problem::bad_request("either sql or statements is needed")),
        };
        let statements = given.into_iter().map(One::check).collect::<Result<Vec<_>, _>>()?;
        let access = statements.iter().map(|(statement, _)| statement.access()).max().unwrap_or(Access::Read);
        let as_of = match self.as_of {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.parse()?),
            Some(Value::Number(position)) => Some(position.to_string().parse()?),
            Some(other) => return Err(Problem::bad_request(format!("as_of is {other}: give a position or a time"))),
        };
        let consistency = match self.consistency {
            Fresh::Strong => Consistency::Strong,
            Fresh::Snapshot => Consistency::Snapshot,
        };
        let timeout = match self.timeout_ms.unwrap_or(TIMEOUT_MS) {
            ms @ 1..=LONGEST_MS => Duration::from_millis(ms),
            ms => return Err(Problem::bad_request(format!("timeout_ms is {ms}: 1 to {LONGEST_MS} are allowed"))),
        };
        let freshness = (consistency, self.min_position.map(Position));
        Ok(Work {
            statements,
            list,
            access,
            as_of,
            freshness,
            request_id: self.request_id,
            timeout,
            result_bytes: None,
        })
    }
}

impl One {
    fn check(self) -> Result<(Statement, Vec<ScalarValue>), Problem> {
        if self.params.len() > PARAMETERS {
            let detail = format!("{} parameters: a statement takes {PARAMETERS} at most", self.params.len());
            return Err(Problem::bad_request(detail));
        }
        let mut parsed = parse(&self.sql)?;
        match (parsed.pop(), parsed.is_empty()) {
            (Some(statement), true) => Ok((statement, self.params.into_iter().map(scalar).collect())),
            (None, _) => Err(Problem::bad_request("sql holds no statement")),
            (Some(_), false) => Err(Problem::bad_request("sql holds several statements")
                .with_hint("send them as {\"statements\": [{\"sql\": …}, …]}: they are done as one transaction")),
        }
    }
}

/// A parameter in the type that SQL takes it for.
fn scalar(value: Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => ScalarValue::Int64(Some(whole)),
            None => ScalarValue::Float64(number.as_f64()),
        },
        Value::String(text) => ScalarValue::Utf8(Some(text)),
        other => ScalarValue::Utf8(Some(other.to_string())),
    }
}

/// Runs the work in a session of its own.
async fn run(database: Arc<Database>, work: Arc<Work>, actor: String, form: Form) -> Result<Answer, Error> {
    let mut session = database.session();
    session.set_actor(Some(actor));
    session.set_as_of(work.as_of);
    session.set_consistency(work.freshness.0, work.freshness.1);
    if work.list {
        return list(&mut session, &work, form).await;
    }
    let Some((statement, params)) = work.statements.first() else {
        return Err(Error::internal("a request without a statement"));
    };
    let outcome = session.run(statement, params, work.request_id.as_deref()).await?;
    Answer::begin(outcome, session, form, work.result_bytes).await
}

/// All of them between BEGIN and COMMIT; the answers are complete before the first is sent.
async fn list(session: &mut Session, work: &Work, form: Form) -> Result<Answer, Error> {
    let begin = parse("BEGIN")?.pop().ok_or_else(|| Error::internal("BEGIN is no statement"))?;
    let commit = parse("COMMIT")?.pop().ok_or_else(|| Error::internal("COMMIT is no statement"))?;
    session.run(&begin, &[], work.request_id.as_deref()).await?;
    let mut all = answer::List::new(form, work.result_bytes);
    for (statement, params) in &work.statements {
        if statement.bounds_transaction() {
            return Err(Error::statement("25001", format!("{} stands in an atomic list", statement.sql))
                .with_hint("leave BEGIN, COMMIT and ROLLBACK away: the list is one transaction"));
        }
        all.add(session.run(statement, params, None).await?).await?;
    }
    let done = session.run(&commit, &[], None).await?;
    all.finish(done.position)
}
