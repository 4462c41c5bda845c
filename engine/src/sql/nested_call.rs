//! The call that runs a subquery for the outer rows of a batch.
//!
//! Promises: rows with equal values share one run; what a subquery reads is read from the statement's own snapshot.
//! Never: answers hold more memory than a bounded amount (53200).

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StructArray, new_empty_array, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use async_trait::async_trait;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use parking_lot::Mutex;

use super::errors::external;
use super::nested;
use crate::error::Error;

/// Answers that a call remembers.
const REMEMBERED: usize = 4096;

/// Bytes of the answers of one batch, and of one answer.
const BYTES: usize = 256 << 20;

/// Outer rows that are answered at a time.
const ROWS: usize = 1024;

fn too_large() -> datafusion::common::DataFusionError {
    external(
        Error::statement("53200", "the statement needs more memory than it may use")
            .with_detail("a subquery that runs for each outer row gives too many rows")
            .with_hint("write it as a JOIN, or add a filter or a LIMIT"),
    )
}

/// What a call makes of the subquery's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gives {
    /// the only value; 21000 when there are more rows
    Value,
    /// whether there is a row
    Exists,
    /// the first column
    List,
    /// the rows, each a structure of `c0`, `c1`, …; NULL when there are none
    Rows,
}

/// A call over the outer columns it refers to.
///
/// # Errors
/// When the subquery's columns have no types yet.
pub fn nested(state: &SessionState, plan: Arc<LogicalPlan>, outer: Vec<Column>, gives: Gives) -> Result<Expr> {
    let typed = state.analyzer().execute_and_check(plan.as_ref().clone(), state.config_options(), |_, _| {})?;
    let types: Vec<DataType> = typed.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    let first = types.first().cloned().unwrap_or(DataType::Null);
    let returns = match gives {
        Gives::Value => first,
        Gives::Exists => DataType::Boolean,
        Gives::List => DataType::List(item(first)),
        Gives::Rows => DataType::List(item(DataType::Struct(fields(&types)))),
    };
    let signature = match outer.len() {
        0 => TypeSignature::Nullary,
        n => TypeSignature::Any(n),
    };
    let call = Nested {
        plan,
        outer: outer.clone(),
        gives,
        types,
        returns,
        state: Arc::new(state.clone()),
        signature: Signature::new(signature, Volatility::Volatile),
        known: Arc::default(),
    };
    let function = AsyncScalarUDF::new(Arc::new(call)).into_scalar_udf();
    Ok(function.call(outer.into_iter().map(Expr::Column).collect()))
}

fn item(ty: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(ty, true))
}

fn fields(types: &[DataType]) -> Fields {
    types.iter().enumerate().map(|(i, ty)| Field::new(format!("c{i}"), ty.clone(), true)).collect()
}

struct Nested {
    plan: Arc<LogicalPlan>,
    outer: Vec<Column>,
    gives: Gives,
    types: Vec<DataType>,
    returns: DataType,
    state: Arc<SessionState>,
    signature: Signature,
    known: Arc<Mutex<HashMap<Vec<ScalarValue>, ScalarValue>>>,
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nested({:?})", self.gives)
    }
}

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.known, &other.known)
    }
}

impl Eq for Nested {}

impl Hash for Nested {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.gives.hash(state);
        self.outer.hash(state);
    }
}

impl ScalarUDFImpl for Nested {
    fn name(&self) -> &'static str {
        "subquery"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.returns.clone(), true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(external(Error::unsupported("a subquery at this place", "move it into a WITH query that is joined")))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Nested {
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(ROWS)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args.args.iter().map(|a| a.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        let mut answers = Vec::with_capacity(args.number_rows);
        let mut bytes = 0;
        for row in 0..args.number_rows {
            let key = arrays.iter().map(|a| ScalarValue::try_from_array(a, row)).collect::<Result<Vec<_>>>()?;
            let known = self.known.lock().get(&key).cloned();
            let answer = match known {
                Some(answer) => answer,
                None => self.remember(key).await?,
            };
            bytes += answer.size();
            if bytes > BYTES {
                return Err(too_large());
            }
            answers.push(answer);
        }
        if answers.is_empty() {
            return Ok(ColumnarValue::Array(new_empty_array(&self.returns)));
        }
        let array = ScalarValue::iter_to_array(answers)?;
        Ok(ColumnarValue::Array(if array.data_type() == &self.returns { array } else { cast(&array, &self.returns)? }))
    }
}

impl Nested {
    async fn remember(&self, key: Vec<ScalarValue>) -> Result<ScalarValue> {
        let values: Vec<_> = self.outer.iter().cloned().zip(key.iter().cloned()).collect();
        let plan = nested::placed(&self.plan, &values)?;
        let plan = Box::pin(nested::physical(&self.state, &plan)).await?;
        let mut rows = execute_stream(plan, self.state.task_ctx())?;
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.types.len()];
        let (mut count, mut bytes) = (0, 0);
        while let Some(batch) = rows.try_next().await? {
            count += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if bytes > BYTES {
                return Err(too_large());
            }
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                column.push(array.clone());
            }
            match self.gives {
                Gives::Exists if count > 0 => break,
                Gives::Value if count > 1 => {
                    let message = "more than one row returned by a subquery used as an expression";
                    return Err(external(Error::statement("21000", message)));
                }
                _ => {}
            }
        }
        drop(rows);
        let answer = self.answer(&columns, count)?;
        if answer.size() <= BYTES / REMEMBERED || self.outer.is_empty() {
            let mut known = self.known.lock();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(key, answer.clone());
        }
        Ok(answer)
    }

    fn answer(&self, columns: &[Vec<ArrayRef>], count: usize) -> Result<ScalarValue> {
        let whole = |index: usize| -> Result<ArrayRef> {
            let ty = &self.types[index];
            let parts = columns[index]
                .iter()
                .map(|a| if a.data_type() == ty { Ok(a.clone()) } else { Ok(cast(a, ty)?) })
                .collect::<Result<Vec<_>>>()?;
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            if parts.is_empty() { Ok(new_empty_array(ty)) } else { Ok(concat(&parts)?) }
        };
        match self.gives {
            Gives::Exists => Ok(ScalarValue::Boolean(Some(count > 0))),
            Gives::Value if count == 0 => ScalarValue::try_from(&self.returns),
            Gives::Value => ScalarValue::try_from_array(&whole(0)?, 0),
            Gives::List => Ok(SingleRowListArrayBuilder::new(whole(0)?).with_nullable(true).build_list_scalar()),
            Gives::Rows if count == 0 => ScalarValue::try_from_array(&new_null_array(&self.returns, 1), 0),
            Gives::Rows => {
                let arrays = (0..columns.len()).map(whole).collect::<Result<Vec<_>>>()?;
                let rows = StructArray::try_new(fields(&self.types), arrays, None)?;
                Ok(SingleRowListArrayBuilder::new(Arc::new(rows)).with_nullable(true).build_list_scalar())
            }
        }
    }
}
