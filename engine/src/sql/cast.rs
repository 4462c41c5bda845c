//! Casts as PostgreSQL has them: text is read strictly, numbers are rounded, nothing wraps or turns into infinity.
//!
//! Promises: a value that does not fit its target is an error with the right SQLSTATE.
//! Never: the cast is done row by row where Arrow's own kernel is exact.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use firn_manifest::ids::ColumnId;
use firn_manifest::schema::{Column, ColumnType};
use firn_segment::types::{column_to_sql, sql_type};

use super::array_functions;
use super::assign::{Rows, assign};
use super::errors::external;
use crate::state::rows::type_name;

/// The function that casts between the two types where Arrow's own cast would be looser than PostgreSQL's.
#[must_use]
pub fn exact(from: &DataType, to: &DataType) -> Option<Arc<ScalarUDF>> {
    // JSON scalars read as the text of their value does
    let text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::LargeBinary);
    let rounds = from.is_floating() || matches!(from, DataType::Decimal128(..) | DataType::Decimal256(..));
    let target = match to {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int16 => ColumnType::SmallInt,
        DataType::Int32 => ColumnType::Integer,
        DataType::Int64 => ColumnType::BigInt,
        DataType::Float32 => ColumnType::Real,
        DataType::Float64 => ColumnType::Double,
        DataType::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        DataType::Date32 => ColumnType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::Timestamptz,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        _ => return None,
    };
    let needed = match target {
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => text || rounds,
        ColumnType::Double => text || matches!(from, DataType::Decimal128(..) | DataType::Decimal256(..)),
        ColumnType::Real => text || matches!(from, DataType::Float64 | DataType::Decimal128(..)),
        ColumnType::Decimal { .. } => text || from.is_floating(),
        // Arrow prints these otherwise than PostgreSQL
        ColumnType::Text => matches!(
            from,
            DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Float32
                | DataType::Float64
                | DataType::Binary
                | DataType::BinaryView
                | DataType::LargeBinary
                | DataType::Time64(_)
                | DataType::Interval(_)
                | DataType::List(_)
        ),
        _ => text,
    };
    needed.then(|| Arc::new(ScalarUDF::from(Cast::new("firn_cast", target, to.clone()))))
}

/// The types that the planner does not know, and the functions that cast to them.
const NAMED: [(&str, ColumnType); 6] = [
    ("firn_uuid", ColumnType::Uuid),
    ("firn_bytea", ColumnType::Bytea),
    ("firn_time", ColumnType::Time),
    ("firn_interval", ColumnType::Interval),
    ("firn_json", ColumnType::Json),
    ("firn_jsonb", ColumnType::Jsonb),
];

/// Casts of types that the planner does not know, called by name.
#[must_use]
pub fn named() -> Vec<ScalarUDF> {
    NAMED.into_iter().map(|(name, ty)| ScalarUDF::from(Cast::new(name, ty, sql_type(ty)))).collect()
}

/// Whether a function is one of [`named`].
#[must_use]
pub fn is_named(function: &str) -> bool {
    NAMED.iter().any(|(name, _)| *name == function)
}

/// The cast of a literal, done at once: a value that does not fit is an error even where no row is read.
///
/// # Errors
/// Of the value.
pub fn folded(function: &ScalarUDF, value: &ScalarValue) -> Result<Expr> {
    let args = ScalarFunctionArgs {
        args: vec![ColumnarValue::Scalar(value.clone())],
        arg_fields: vec![],
        number_rows: 1,
        return_field: Arc::new(Field::new(function.name(), DataType::Null, true)),
        config_options: Arc::default(),
    };
    match function.inner().invoke_with_args(args)? {
        ColumnarValue::Scalar(value) => Ok(Expr::Literal(value, None)),
        ColumnarValue::Array(array) => Ok(Expr::Literal(ScalarValue::try_from_array(&array, 0)?, None)),
    }
}

fn named_cast(name: &'static str, ty: ColumnType) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Cast::new(name, ty, sql_type(ty))))
}

static UUID: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_uuid", ColumnType::Uuid));
static JSONB: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_jsonb", ColumnType::Jsonb));
static TIME: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_time", ColumnType::Time));
static INTERVAL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_interval", ColumnType::Interval));
static BYTEA: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_bytea", ColumnType::Bytea));

/// The cast that a literal needs to be compared with an expression: UUIDs have many spellings, and bytes are written
/// in hexadecimal.
fn reader(expr: &Expr, schema: &DFSchema) -> Result<Option<&'static Arc<ScalarUDF>>> {
    if matches!(expr, Expr::Literal(..)) {
        return Ok(None);
    }
    let (_, field) = expr.to_field(schema)?;
    let inner = matches!(field.data_type(), DataType::LargeBinary | DataType::Time64(_) | DataType::Interval(_));
    if !inner && !matches!(expr, Expr::Column(_)) {
        return Ok(None);
    }
    Ok(match field.data_type() {
        DataType::LargeBinary => Some(&JSONB),
        DataType::Time64(_) => Some(&TIME),
        DataType::Interval(_) => Some(&INTERVAL),
        DataType::Binary | DataType::BinaryView => Some(&BYTEA),
        _ if field.metadata().get("firn.type").is_some_and(|t| t == "uuid") => Some(&UUID),
        _ => None,
    })
}

/// The text literal in an expression, which type coercion may have wrapped.
fn text_literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value @ (ScalarValue::Utf8(_) | ScalarValue::LargeUtf8(_) | ScalarValue::Utf8View(_)), _) => {
            Some(value)
        }
        Expr::Cast(inner) => text_literal(&inner.expr),
        _ => None,
    }
}

fn read(expr: Expr, reader: &ScalarUDF) -> Result<Expr> {
    match text_literal(&expr) {
        Some(value) => folded(reader, value),
        None => Ok(expr),
    }
}

/// Both sides of a comparison; a literal is read as what it meets.
///
/// # Errors
/// When a type cannot be told, or of the literal.
pub fn sides(left: Box<Expr>, right: Box<Expr>, schema: &DFSchema) -> Result<(Box<Expr>, Box<Expr>)> {
    if let (Ok(ty @ DataType::List(_)), Some(value)) = (left.get_type(schema), text_literal(&right))
        && let Some(array) = array_functions::literal(&Expr::Literal(value.clone(), None), &ty)
    {
        return Ok((left, Box::new(array)));
    }
    if let Some(reader) = reader(&left, schema)? {
        return Ok((left, Box::new(read(*right, reader)?)));
    }
    if let Some(reader) = reader(&right, schema)? {
        return Ok((Box::new(read(*left, reader)?), right));
    }
    Ok((left, right))
}

/// A list; its literals are read as what is looked up in it.
///
/// # Errors
/// See [`sides`].
pub fn list(mut list: InList, schema: &DFSchema) -> Result<InList> {
    if let Some(reader) = reader(&list.expr, schema)? {
        list.list = list.list.into_iter().map(|e| read(e, reader)).collect::<Result<_>>()?;
    }
    Ok(list)
}

/// The function that casts to an array whose type is its second argument, e.g. `firn_array(x, 'text[]')`.
#[must_use]
pub fn to_array() -> ScalarUDF {
    ScalarUDF::from(ArrayCast { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayCast {
    signature: Signature,
}

/// The array type that the text names.
fn array_type(name: &str) -> Result<ColumnType> {
    let declared = sqlparser::parser::Parser::new(&super::dialect::FirnDialect)
        .try_with_sql(name)
        .and_then(|mut parser| parser.parse_data_type())
        .map_err(|e| datafusion::common::plan_datafusion_err!("{e}"))?;
    super::types::column_type(&declared).map_err(external)
}

impl ArrayCast {
    fn cast_of(name: Option<&ScalarValue>) -> Result<Cast> {
        let Some(Some(Some(name))) = name.map(ScalarValue::try_as_str) else {
            return datafusion::common::plan_err!("an array's type is a literal");
        };
        let ty = array_type(name)?;
        Ok(Cast::new("firn_array", ty, sql_type(ty)))
    }
}

impl ScalarUDFImpl for ArrayCast {
    fn name(&self) -> &'static str {
        "firn_array"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [inner, Expr::Literal(ty, _)] => format!("CAST({} AS {ty})", inner.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        datafusion::common::internal_err!("the type of firn_array depends on its argument")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let cast = Self::cast_of(args.scalar_arguments.get(1).copied().flatten())?;
        let nullable = args.arg_fields.first().is_none_or(|f| f.is_nullable());
        let field = Field::new(self.name(), cast.output.clone(), nullable);
        Ok(Arc::new(field.with_metadata([("firn.type".to_owned(), type_name(cast.target))].into())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(ty)] = args.args.as_slice() else {
            return datafusion::common::exec_err!("an array's type is a literal");
        };
        let cast = Self::cast_of(Some(ty))?;
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(cast.cast(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = cast.cast(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

/// One cast.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    name: &'static str,
    target: ColumnType,
    output: DataType,
    signature: Signature,
}

impl Cast {
    fn new(name: &'static str, target: ColumnType, output: DataType) -> Self {
        Self { name, target, output, signature: Signature::any(1, Volatility::Immutable) }
    }

    fn cast(&self, source: &ArrayRef) -> Result<ArrayRef> {
        let column = Column::new(ColumnId(1), "", self.target);
        // no column is at stake here, so the error names the value only
        let stored = assign(source, &column, Rows::From(0)).map_err(|mut e| {
            e.detail = None;
            external(e)
        })?;
        if *stored.data_type() == self.output {
            return Ok(stored);
        }
        match self.output {
            DataType::Utf8 | DataType::LargeUtf8 if self.target == ColumnType::Text => {
                Ok(arrow::compute::cast(&stored, &self.output)?)
            }
            _ => column_to_sql(&stored, self.target).map_err(|e| external(e.into())),
        }
    }
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [inner] => format!("CAST({} AS {})", inner.schema_name(), super::types::display_name(self.target)),
            _ => self.name.to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let nullable = args.arg_fields.first().is_none_or(|f| f.is_nullable());
        let field = Field::new(self.name, self.output.clone(), nullable);
        Ok(Arc::new(match self.target {
            ColumnType::Uuid | ColumnType::Json | ColumnType::Array { .. } => {
                field.with_metadata([("firn.type".to_owned(), type_name(self.target))].into())
            }
            _ => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(self.cast(array)?)),
            Some(ColumnarValue::Scalar(scalar)) => {
                let array = self.cast(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            None => datafusion::common::exec_err!("{} takes one argument", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn casts_fit_or_fail() {
        for (sql, code) in [
            ("SELECT 'abc'::int", "22P02"),
            ("SELECT x::int FROM (VALUES ('abc')) t(x)", "22P02"),
            ("SELECT 70000::smallint", "22003"),
            ("SELECT x::smallint FROM (VALUES (70000)) t(x)", "22003"),
            ("SELECT '99999999999'::int", "22003"),
            ("SELECT 3000000000.5::int", "22003"),
            ("SELECT 1e300::double precision::real", "22003"),
            ("SELECT 'x'::date", "22007"),
            ("SELECT DATE '2024-02-30'", "22008"),
            ("SELECT TIMESTAMP '2024-01-01 25:00'", "22008"),
            ("SELECT 'maybe'::boolean", "22P02"),
            ("SELECT 'x'::uuid", "22P02"),
            ("SELECT '\\xzz'::bytea", "22P02"),
            ("SELECT 12345::decimal(4,2)", "22003"),
            ("SELECT x::decimal(4,2) FROM (VALUES ('12345')) t(x)", "22003"),
        ] {
            assert_eq!(error(sql).await, code, "{sql}");
        }
        for (sql, want) in [
            ("SELECT '42'::int", "42"),
            ("SELECT 1.5::int", "2"),
            ("SELECT (-1.5)::int", "-2"),
            ("SELECT 'abcdef'::varchar(3)", "abc"),
            ("SELECT 't'::boolean", "true"),
            ("SELECT '1.005'::decimal(5,2)", "1.01"),
            ("SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("SELECT encode('\\xDEAD'::bytea, 'hex')", "dead"),
            ("SELECT count(*) FROM (VALUES (DATE '2024-01-02')) t(d) WHERE d > '2024-01-01'", "1"),
            ("SELECT TIMESTAMP '2024-01-01 10:00' < '2024-01-01 10:00:01'", "true"),
            ("SELECT x::text FROM (VALUES (1.50)) t(x)", "1.50"),
            ("SELECT (TIMESTAMP '2024-01-02 03:04:05.5')::text", "2024-01-02 03:04:05.5"),
            ("SELECT (TIMESTAMPTZ '2024-01-02 03:04:05Z') || '!'", "2024-01-02 03:04:05+00!"),
            ("SELECT ('\\x00ff'::bytea)::text", "\\x00ff"),
            ("SELECT (1e300::double precision)::text", "1e+300"),
        ] {
            assert_eq!(one(sql).await, want, "{sql}");
        }
    }
}
