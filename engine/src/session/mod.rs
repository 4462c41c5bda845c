//! A session: one client's settings and transaction, and the door through which statements come.
//!
//! Promises: a statement is atomic; inside BEGIN … COMMIT all are one; a failed transaction does nothing more until
//! ROLLBACK. Rows are computed as they are taken, and dropping their stream ends the work.
//! Never: reading claims the writer's epoch; a statement of a session with a point in the past writes.

mod access;
mod block;
mod deep;
mod explain;
mod explain_json;
mod keyed;
mod load;
mod prepared;
mod read;
mod savepoint;
mod unsupported;
mod write;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use firn_manifest::ids::Position;
use firn_manifest::store::Store;
use firn_manifest::tally::Tally;
use futures::stream;
use sqlparser::ast::{self, Reset, SetExpr};

pub use self::access::Access;
pub use self::load::PassedBatch;
pub use crate::sql::asof::AsOf;
pub use crate::sql::parse::{Statement, parse};

use self::block::Block;
use self::prepared::Prepared;
use crate::commit::Consistency;
use crate::database::Database;
use crate::error::{BatchStream, Error, Result};
use crate::sql::create_as;
use crate::sql::describe;
use crate::sql::relation::Relation;
use crate::sql::resolve::folded;
use crate::sql::settings::{self, Settings};
use crate::sql::show;

/// One client's session.
pub struct Session {
    db: Arc<Database>,
    settings: Settings,
    block: Block,
    prepared: Prepared,
    /// the statement under way is deep: it runs in one stream, on the stack made for it
    deep: bool,
    /// how fresh reads are, and the position they must have reached; `None`: as the database was opened
    freshness: Option<(Consistency, Option<Position>)>,
    /// a statement is under way; still so when the next one begins, its caller went away half way
    running: bool,
}

/// What a statement gave.
pub struct Outcome {
    /// the command tag: `SELECT`, `INSERT 0 3`, `CREATE TABLE`
    pub tag: String,
    /// the position of a write; for a query the position it reads
    pub position: Option<Position>,
    /// the columns of `rows`; none without rows
    pub schema: SchemaRef,
    /// rows, when the statement gives any
    pub rows: Option<BatchStream>,
    /// rows inserted, updated or deleted
    pub rows_affected: u64,
    /// the store requests of the statement so far; complete when the rows are taken
    pub tally: Arc<Tally>,
}

/// One call of [`Session::run`].
struct Call<'a> {
    statement: &'a Statement,
    params: &'a [ScalarValue],
    request_id: Option<&'a str>,
    store: Store,
    tally: Arc<Tally>,
}

impl Session {
    pub(crate) fn new(db: Arc<Database>) -> Self {
        Self {
            db,
            settings: Settings::default(),
            block: Block::None,
            prepared: Prepared::default(),
            deep: false,
            freshness: None,
            running: false,
        }
    }

    /// Runs one statement. `params` are the values of `$1`, `$2`, …; `request_id` makes a write safe to repeat: seen
    /// before, its first answer comes back and nothing is done. Inside BEGIN … COMMIT the id given with BEGIN holds for
    /// the whole transaction. A call that is dropped before it ends inside a transaction fails the transaction.
    ///
    /// # Errors
    /// Everything that is wrong with the statement, by its SQLSTATE; errors of the rows come out of their stream.
    pub async fn run(
        &mut self,
        statement: &Statement,
        params: &[ScalarValue],
        request_id: Option<&str>,
    ) -> Result<Outcome> {
        if std::mem::replace(&mut self.running, true) {
            self.block.fail();
        }
        let tally = Tally::new();
        let store = self.db.store().with_tally(tally.clone());
        let call = Call { statement, params, request_id, store, tally };
        // on the heap: the futures of all statements together are too large for a caller's frame
        self.deep = deep::is_deep(statement);
        let deep = self.deep;
        let dispatched = Box::pin(self.dispatch(&call));
        let result = if deep {
            deep::run(dispatched).await.map(|mut outcome| {
                outcome.rows = outcome.rows.map(deep::rows);
                outcome
            })
        } else {
            dispatched.await
        };
        self.running = false;
        if result.is_err() {
            self.block.fail();
        }
        result
    }

    /// Parses a script and runs its statements in order until one fails.
    ///
    /// # Errors
    /// Of the parser, before anything is run; of the first statement that fails.
    pub async fn execute(&mut self, sql: &str) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for statement in parse(sql)? {
            outcomes.push(self.run(&statement, &[], None).await?);
        }
        Ok(outcomes)
    }

    /// Reads plain table names at a point in the past from now on; `None` is the present again.
    pub fn set_as_of(&mut self, as_of: Option<AsOf>) {
        self.settings.as_of = as_of;
    }

    /// How fresh reads are from now on. Those of [`Consistency::Snapshot`] look at the store only when what this process
    /// knows ends before `at_least`.
    pub fn set_consistency(&mut self, consistency: Consistency, at_least: Option<Position>) {
        self.freshness = Some((consistency, at_least));
    }

    /// Who writes from now on, as `firn_commits` shows it.
    pub fn set_actor(&mut self, actor: Option<String>) {
        self.settings.actor = actor;
    }

    /// Why, from now on, as `firn_commits` shows it.
    pub fn set_reason(&mut self, reason: Option<String>) {
        self.settings.reason = reason;
    }

    /// Whether BEGIN was said and neither COMMIT nor ROLLBACK since.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        !matches!(self.block, Block::None)
    }

    /// Whether the transaction has failed and waits for ROLLBACK.
    #[must_use]
    pub fn transaction_failed(&self) -> bool {
        matches!(self.block, Block::Failed(_)) || (self.running && matches!(self.block, Block::Open(_)))
    }

    /// Fails the transaction that is open, as an error does: for rows that ended in an error or were not awaited.
    pub fn fail_transaction(&mut self) {
        self.block.fail();
    }

    /// The user's tables as the session reads them: name, primary key, number of columns.
    ///
    /// # Errors
    /// Of reading the catalog.
    pub async fn describe_tables(&mut self) -> Result<RecordBatch> {
        let store = self.db.store().clone();
        let query = self.query(&store, &[]).await?;
        describe::tables(query.snapshot(), query.at())
    }

    /// A table's columns as the session reads them (name, type, nullability, default), and the lines about its indexes and
    /// constraints that psql shows below them.
    ///
    /// # Errors
    /// 42P01; of reading the catalog.
    pub async fn describe_table(&mut self, name: &str) -> Result<(RecordBatch, Vec<String>)> {
        let store = self.db.store().clone();
        let query = self.query(&store, &[]).await?;
        describe::whole(&query, &Relation::parse(name, &query)?)
    }

    async fn dispatch(&mut self, call: &Call<'_>) -> Result<Outcome> {
        let ast = &call.statement.ast;
        match ast {
            ast::Statement::StartTransaction { modes, begin, .. } => return self.begin(call, modes, *begin).await,
            ast::Statement::Commit { chain, .. } => return self.commit(call, *chain).await,
            ast::Statement::Rollback { chain, savepoint } => return self.rollback(call, *chain, savepoint.as_ref()),
            ast::Statement::Savepoint { name } => return self.savepoint(call, name),
            ast::Statement::ReleaseSavepoint { name } => return self.release(call, name),
            _ => self.block.check()?,
        }
        match ast {
            ast::Statement::Set(set) => {
                self.settings.set(set)?;
                Ok(call.done("SET"))
            }
            ast::Statement::Reset(reset) => {
                match &reset.reset {
                    Reset::ALL => self.settings.reset("all")?,
                    Reset::ConfigurationParameter(name) => self.settings.reset(&settings::name_of(name))?,
                }
                Ok(call.done("RESET"))
            }
            ast::Statement::Explain { .. } => self.explain(call).await,
            ast::Statement::Prepare { name, data_types, statement } => self.prepare(call, name, data_types, statement),
            ast::Statement::Deallocate { name, .. } => self.deallocate(call, name),
            ast::Statement::Execute { name: Some(name), parameters, immediate: false, .. } => {
                let name = name.0.last().and_then(|p| p.as_ident()).map(folded).unwrap_or_default();
                Box::pin(self.execute_prepared(call, &name, parameters)).await
            }
            ast::Statement::Query(query) if !writes(query) => self.select(call, query).await,
            other => {
                if let Some(show) = show::of(other)? {
                    return self.show(call, &show).await;
                }
                if unsupported::may_write(other) {
                    self.write(call, other).await
                } else {
                    Err(unsupported::error(other))
                }
            }
        }
    }

    async fn show(&mut self, call: &Call<'_>, show: &show::Show) -> Result<Outcome> {
        let batch = if show.needs_catalog() {
            let query = self.query(&call.store, &[]).await?;
            show.catalog(&query)?
        } else {
            show.session(&self.settings)?
        };
        Ok(call.rows("SHOW", vec![batch]))
    }
}

/// Whether a query is a write with a WITH before it.
fn writes(query: &ast::Query) -> bool {
    create_as::into_of(query).is_some()
        || matches!(
            query.body.as_ref(),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        )
}

impl Call<'_> {
    /// An outcome without rows.
    fn done(&self, tag: impl Into<String>) -> Outcome {
        Outcome {
            tag: tag.into(),
            position: None,
            schema: Arc::new(Schema::empty()),
            rows: None,
            rows_affected: 0,
            tally: self.tally.clone(),
        }
    }

    /// An outcome with rows that are there already; at least one batch.
    fn rows(&self, tag: &str, batches: Vec<RecordBatch>) -> Outcome {
        let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        let rows: BatchStream = Box::pin(stream::iter(batches.into_iter().map(Ok::<_, Error>)));
        Outcome { schema, rows: Some(rows), ..self.done(tag) }
    }
}
