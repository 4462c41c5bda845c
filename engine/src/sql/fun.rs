//! Scalar functions of our own, each a few lines: what it takes, what it gives, and how a row is answered.
//!
//! Promises: a call with the wrong arguments is refused while it is planned (42883); constants are answered once.
//! Never: a function here knows of a table, the clock or chance.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::errors::external;
use super::fault::{Fault, shorten};
use crate::error::Error;

/// The types its arguments are made into; `None` when it does not take such.
pub type Takes = fn(&[DataType]) -> Option<Vec<DataType>>;
/// The type of its answer, given the types its arguments were made into.
pub type Gives = fn(&[DataType]) -> DataType;
/// The answers for so many rows.
pub type Eval = fn(&[ArrayRef], usize) -> Result<ArrayRef>;

/// A function.
#[derive(Debug)]
pub struct Fun {
    name: &'static str,
    takes: Takes,
    gives: Gives,
    eval: Eval,
    /// the declared type of the answer where Arrow's does not say it
    declared: Option<&'static str>,
    signature: Signature,
}

impl Fun {
    /// A function whose answer depends on nothing but its arguments.
    #[must_use]
    pub fn udf(name: &'static str, takes: Takes, gives: Gives, eval: Eval) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(Self { name, takes, gives, eval, declared: None, signature })
    }

    /// The same, whose answers are of type JSON.
    #[must_use]
    pub fn json(name: &'static str, takes: Takes, eval: Eval) -> ScalarUDF {
        let signature = Signature::user_defined(Volatility::Immutable);
        let gives = |_: &[DataType]| DataType::LargeUtf8;
        ScalarUDF::from(Self { name, takes, gives, eval, declared: Some("json"), signature })
    }
}

impl PartialEq for Fun {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Fun {}

impl Hash for Fun {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Fun {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        (self.takes)(types).ok_or_else(|| no_match(self.name))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok((self.gives)(types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let field = Field::new(self.name, self.return_type(&types)?, true);
        Ok(Arc::new(match self.declared {
            Some(name) => field.with_metadata([("firn.type".to_owned(), name.to_owned())].into()),
            None => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<_>>()?;
        let answer = (self.eval)(&arrays, rows)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
        }
        Ok(ColumnarValue::Array(answer))
    }
}

/// The function does not take these arguments.
pub fn no_match(name: &str) -> DataFusionError {
    let error = Error::statement("42883", format!("function {name} does not take these arguments"));
    external(error.with_hint("cast the arguments to the types it takes"))
}

/// A call.
#[must_use]
pub fn call(function: &Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: function.clone(), args })
}

/// The fault of one value as an error.
pub fn faulty(fault: Fault, value: &str) -> DataFusionError {
    external(Error::statement(fault.sqlstate, format!("{}: \"{}\"", fault.what, shorten(value))))
}

/// An error of a value.
pub fn wrong(sqlstate: &'static str, message: impl Into<String>) -> DataFusionError {
    external(Error::statement(sqlstate, message))
}

/// The array cast to a type that holds its values.
///
/// # Errors
/// When Arrow has no such cast.
pub fn made(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    if array.data_type() == ty {
        return Ok(array.clone());
    }
    Ok(cast(array, ty)?)
}

/// Whether it is text (or an untyped NULL).
#[must_use]
pub fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Utf8View | DataType::Null)
}

/// Whether it is JSON, JSONB or something that can be read as such.
#[must_use]
pub fn is_json(ty: &DataType) -> bool {
    matches!(ty, DataType::LargeBinary | DataType::LargeUtf8)
}

/// Whether it is a whole number or an untyped NULL.
#[must_use]
pub fn is_whole(ty: &DataType) -> bool {
    ty.is_integer() || *ty == DataType::Null
}

/// A list of that type.
#[must_use]
pub fn list_of(ty: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(ty, true)))
}

/// TIMESTAMP.
pub const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// TIME.
pub const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// TIMESTAMPTZ.
#[must_use]
pub fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
