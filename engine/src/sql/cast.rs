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
use firn_segment::types::sql_type;

use super::assign::{Rows, assign};
use super::errors::external;

/// The function that casts between the two types where Arrow's own cast would be looser than PostgreSQL's.
#[must_use]
pub fn exact(from: &DataType, to: &DataType) -> Option<Arc<ScalarUDF>> {
    let text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
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
        ),
        _ => text,
    };
    needed.then(|| Arc::new(ScalarUDF::from(Cast::new("firn_cast", target, to.clone()))))
}

/// Casts of types that the planner does not know, called by name.
#[must_use]
pub fn named() -> Vec<ScalarUDF> {
    [("firn_uuid", ColumnType::Uuid), ("firn_bytea", ColumnType::Bytea)]
        .into_iter()
        .map(|(name, ty)| ScalarUDF::from(Cast::new(name, ty, sql_type(ty))))
        .collect()
}

/// Whether a function is one of [`named`].
#[must_use]
pub fn is_named(function: &str) -> bool {
    matches!(function, "firn_uuid" | "firn_bytea")
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
static BYTEA: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| named_cast("firn_bytea", ColumnType::Bytea));

/// The cast that a literal needs to be compared with an expression: UUIDs have many spellings, and bytes are written
/// in hexadecimal.
fn reader(expr: &Expr, schema: &DFSchema) -> Result<Option<&'static Arc<ScalarUDF>>> {
    if !matches!(expr, Expr::Column(_)) {
        return Ok(None);
    }
    let (_, field) = expr.to_field(schema)?;
    Ok(match field.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Some(&BYTEA),
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
        let column = Column {
            id: ColumnId(1),
            name: String::new(),
            ty: self.target,
            nullable: true,
            default: None,
            initial: None,
            hidden: false,
        };
        // no column is at stake here, so the error names the value only
        let stored = assign(source, &column, Rows::From(0)).map_err(|mut e| {
            e.detail = None;
            external(e)
        })?;
        if *stored.data_type() == self.output {
            return Ok(stored);
        }
        Ok(arrow::compute::cast(&stored, &self.output)?)
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
            ColumnType::Uuid => field.with_metadata([("firn.type".to_owned(), "uuid".to_owned())].into()),
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
