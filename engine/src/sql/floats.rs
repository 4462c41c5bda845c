//! Floating point that leaves its range: PostgreSQL's rules over IEEE's results.
//!
//! Promises: infinity that comes out of finite numbers is an error (22003), and so is a division by zero (22012).
//! Never: a result that is in range is looked at twice.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Operator};

use super::errors::external;
use crate::error::Error;

/// Checks the result of `left op right`.
///
/// # Errors
/// 22003, 22012.
pub fn check(op: Operator, left: &ColumnarValue, right: &ColumnarValue, result: &ColumnarValue) -> Result<()> {
    if !result.data_type().is_floating() {
        return Ok(());
    }
    let rows = match result {
        ColumnarValue::Array(array) => array.len(),
        ColumnarValue::Scalar(_) => 1,
    };
    let out = result.to_array(rows)?;
    if all_finite(&out) {
        return Ok(());
    }
    let out = wide(&out)?;
    let (left, right) = (wide(&left.to_array(rows)?)?, wide(&right.to_array(rows)?)?);
    for ((value, left), right) in out.iter().zip(&left).zip(&right) {
        let (Some(value), Some(left), Some(right)) = (value, left, right) else { continue };
        if op == Operator::Divide && *right == 0.0 && !left.is_nan() {
            return Err(external(Error::statement("22012", "division by zero")));
        }
        if value.is_infinite() && left.is_finite() && right.is_finite() {
            return Err(external(Error::statement("22003", format!("value out of range: {left:e} {op} {right:e}"))));
        }
    }
    Ok(())
}

/// Whether every slot, NULLs' included, is finite: one pass over plain memory.
fn all_finite(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().all(|v| v.is_finite()),
        DataType::Float32 => array.as_primitive::<Float32Type>().values().iter().all(|v| v.is_finite()),
        _ => false,
    }
}

fn wide(array: &ArrayRef) -> Result<Vec<Option<f64>>> {
    Ok(match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().collect(),
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().map(|v| v.map(f64::from)).collect(),
        _ => arrow::compute::cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::sql::testing::{error, one};

    #[tokio::test]
    async fn infinity_does_not_come_from_numbers() {
        let x = "FROM (VALUES (1e300::double precision, 0::double precision)) t(x, z)";
        for (sql, code) in [
            (format!("SELECT x * x {x}"), "22003"),
            (format!("SELECT x::real {x}"), "22003"),
            (format!("SELECT 3e38::real * 10::real {x}"), "22003"),
            (format!("SELECT x / z {x}"), "22012"),
            (format!("SELECT z / z {x}"), "22012"),
        ] {
            assert_eq!(error(&sql).await, code, "{sql}");
        }
        assert_eq!(one(&format!("SELECT x / 2 + 1 - z {x}")).await, "5e299");
        assert_eq!(one("SELECT 'Infinity'::double precision + 1").await, "inf");
    }
}
