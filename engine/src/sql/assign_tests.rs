//! Assignment attacked type by type: what fits comes out exactly, what does not is the right error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, NullArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampNanosecondArray, UInt64Array,
};
use firn_manifest::ids::ColumnId;

use super::super::text::as_text;
use super::*;

fn column(ty: ColumnType) -> Column {
    Column::new(ColumnId(1), "a", ty)
}

/// The assigned values as text, NULL as `-`.
fn to(ty: ColumnType, source: impl Array + 'static) -> Result<String> {
    let out = assign(&(Arc::new(source) as ArrayRef), &column(ty), Rows::From(0))?;
    assert_eq!(*out.data_type(), storage_type(ty));
    let text = as_text(&out)?;
    let texts: Vec<&str> = text.as_string::<i32>().iter().map(|t| t.unwrap_or("-")).collect();
    Ok(texts.join(" "))
}

fn text_to(ty: ColumnType, text: &str) -> Result<String> {
    to(ty, StringViewArray::from(vec![text]))
}

fn number_to(ty: ColumnType, text: &str) -> Result<String> {
    let out = assign_numbers(&StringArray::from(vec![text]), &column(ty), Rows::From(0))?;
    assert_eq!(*out.data_type(), storage_type(ty));
    Ok(as_text(&out)?.as_string::<i32>().value(0).to_owned())
}

const DECIMAL: ColumnType = ColumnType::Decimal { precision: 6, scale: 2 };

#[test]
fn integers_round_and_never_wrap() {
    use ColumnType as T;
    assert_eq!(to(T::SmallInt, Int64Array::from(vec![Some(-32768), None, Some(32767)])).unwrap(), "-32768 - 32767");
    assert_eq!(to(T::BigInt, Int16Array::from(vec![7])).unwrap(), "7");
    assert_eq!(to(T::Integer, Float64Array::from(vec![0.5, 1.5, 2.5, -0.5, -1.5])).unwrap(), "0 2 2 0 -2");
    assert_eq!(
        to(T::Integer, Decimal128Array::from(vec![5, 15, 25, -15]).with_precision_and_scale(4, 1).unwrap()).unwrap(),
        "1 2 3 -2"
    );
    assert_eq!(to(T::BigInt, UInt64Array::from(vec![u64::from(u32::MAX)])).unwrap(), "4294967295");
    assert_eq!(number_to(T::Integer, "2.5").unwrap(), "3");
    assert_eq!(number_to(T::BigInt, "-9223372036854775808").unwrap(), "-9223372036854775808");
    for (result, state) in [
        (to(T::SmallInt, Int64Array::from(vec![32768])), "22003"),
        (to(T::Integer, Int64Array::from(vec![-2_147_483_649])), "22003"),
        (to(T::Integer, Float64Array::from(vec![2_147_483_647.5])), "22003"),
        (to(T::BigInt, Float64Array::from(vec![9.3e18])), "22003"),
        (to(T::BigInt, Float64Array::from(vec![f64::NAN])), "22003"),
        (to(T::BigInt, UInt64Array::from(vec![u64::MAX])), "22003"),
        (to(T::BigInt, Decimal128Array::from(vec![i128::MAX])), "22003"),
        (number_to(T::BigInt, "9223372036854775808"), "22003"),
        (number_to(T::Integer, "1e300"), "22003"),
        (text_to(T::Integer, "12x"), "22P02"),
        (to(T::Integer, BooleanArray::from(vec![true])), "42804"),
        (to(T::Integer, Date32Array::from(vec![1])), "42804"),
    ] {
        assert_eq!(result.unwrap_err().sqlstate, state);
    }
}

#[test]
fn decimals_are_exact() {
    assert_eq!(to(DECIMAL, Float64Array::from(vec![0.1, 1.005, -1.115, 9999.99])).unwrap(), "0.10 1.01 -1.12 9999.99");
    assert_eq!(to(DECIMAL, Float32Array::from(vec![0.1])).unwrap(), "0.10");
    assert_eq!(to(DECIMAL, Int32Array::from(vec![9999])).unwrap(), "9999.00");
    assert_eq!(
        to(DECIMAL, Decimal128Array::from(vec![12345]).with_precision_and_scale(9, 4).unwrap()).unwrap(),
        "1.23"
    );
    assert_eq!(
        number_to(ColumnType::Decimal { precision: 38, scale: 18 }, "12345678901234567890.123456789012345678").unwrap(),
        "12345678901234567890.123456789012345678"
    );
    for result in [
        to(DECIMAL, Float64Array::from(vec![9999.995])),
        to(DECIMAL, Float64Array::from(vec![f64::INFINITY])),
        to(DECIMAL, Float64Array::from(vec![f64::NAN])),
        to(DECIMAL, Int32Array::from(vec![10_000])),
        to(DECIMAL, Decimal128Array::from(vec![1_000_000]).with_precision_and_scale(9, 2).unwrap()),
        text_to(DECIMAL, "NaN"),
        number_to(DECIMAL, "1e10"),
    ] {
        assert_eq!(result.unwrap_err().sqlstate, "22003");
    }
    assert_eq!(text_to(DECIMAL, "1,5").unwrap_err().sqlstate, "22P02");
}

#[test]
fn floats_do_not_lose_their_range() {
    assert_eq!(to(ColumnType::Real, Float64Array::from(vec![0.1, f64::INFINITY])).unwrap(), "0.1 Infinity");
    assert_eq!(
        to(ColumnType::Double, Decimal128Array::from(vec![1]).with_precision_and_scale(3, 1).unwrap()).unwrap(),
        "0.1"
    );
    assert_eq!(number_to(ColumnType::Double, "1e308").unwrap(), "1e+308");
    for result in [
        to(ColumnType::Real, Float64Array::from(vec![1e39])),
        to(ColumnType::Real, Float64Array::from(vec![1e-60])),
        number_to(ColumnType::Double, "1e309"),
        number_to(ColumnType::Real, "1e39"),
    ] {
        assert_eq!(result.unwrap_err().sqlstate, "22003");
    }
}

#[test]
fn text_takes_what_prints() {
    use ColumnType as T;
    assert_eq!(to(T::Text, Int32Array::from(vec![1])).unwrap(), "1");
    assert_eq!(to(T::Text, BooleanArray::from(vec![true])).unwrap(), "true");
    assert_eq!(to(T::Text, Date32Array::from(vec![0])).unwrap(), "1970-01-01");
    assert_eq!(
        to(T::Text, TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC")).unwrap(),
        "1970-01-01 00:00:01.5+00"
    );
    assert_eq!(to(T::Text, BinaryArray::from_vec(vec![b"\x01\xff"])).unwrap(), "\\x01ff");
    assert_eq!(to(T::Text, Float64Array::from(vec![1.0])).unwrap(), "1");
    assert_eq!(number_to(T::Text, "1.50").unwrap(), "1.50");
    let short = T::Varchar { length: 3 };
    assert_eq!(text_to(short, "äöü").unwrap(), "äöü");
    assert_eq!(text_to(short, "abc   ").unwrap(), "abc");
    assert_eq!(text_to(short, "abcd").unwrap_err().sqlstate, "22001");
    assert_eq!(number_to(short, "12345").unwrap_err().sqlstate, "22001");
}

#[test]
fn times_convert() {
    use ColumnType as T;
    assert_eq!(to(T::Date, TimestampMicrosecondArray::from(vec![-1])).unwrap(), "1969-12-31");
    assert_eq!(to(T::Timestamp, Date32Array::from(vec![1])).unwrap(), "1970-01-02 00:00:00");
    assert_eq!(
        to(T::Timestamptz, TimestampNanosecondArray::from(vec![1_500, -1_500])).unwrap(),
        "1970-01-01 00:00:00.000002+00 1969-12-31 23:59:59.999999+00"
    );
    assert_eq!(text_to(T::Timestamptz, "2024-05-06 07:08:09+02").unwrap(), "2024-05-06 05:08:09+00");
    assert_eq!(text_to(T::Timestamp, "2024-05-06 07:08:09+02").unwrap(), "2024-05-06 07:08:09");
    assert_eq!(text_to(T::Date, "2024-02-30").unwrap_err().sqlstate, "22008");
    assert_eq!(text_to(T::Timestamp, "soon").unwrap_err().sqlstate, "22007");
    assert_eq!(to(T::Timestamp, Date32Array::from(vec![i32::MAX])).unwrap_err().sqlstate, "22008");
    assert_eq!(number_to(T::Date, "20240101").unwrap_err().sqlstate, "42804");
    assert_eq!(to(T::Date, Int32Array::from(vec![1])).unwrap_err().sqlstate, "42804");
}

#[test]
fn the_others() {
    use ColumnType as T;
    assert_eq!(text_to(T::Boolean, "yes").unwrap(), "true");
    assert_eq!(to(T::Boolean, Int32Array::from(vec![1])).unwrap_err().sqlstate, "42804");
    assert_eq!(number_to(T::Boolean, "1").unwrap_err().sqlstate, "42804");
    assert_eq!(text_to(T::Bytea, "\\x00ff").unwrap(), "\\x00ff");
    assert_eq!(text_to(T::Uuid, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}").unwrap(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    assert_eq!(text_to(T::Uuid, "nope").unwrap_err().sqlstate, "22P02");
    for ty in [T::Boolean, T::Integer, T::Real, DECIMAL, T::Text, T::Bytea, T::Date, T::Timestamptz, T::Uuid] {
        assert_eq!(to(ty, NullArray::new(2)).unwrap(), "- -");
        assert_eq!(to(ty, StringArray::from(vec![None::<&str>])).unwrap(), "-");
    }
}

#[test]
fn errors_say_where() {
    let source: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), None, Some(&*"x".repeat(300))]));
    let error = assign(&source, &column(ColumnType::Integer), Rows::From(10)).unwrap_err();
    assert_eq!(error.detail.as_deref(), Some("column \"a\", row 13"));
    assert!(error.message.len() < 120, "{}", error.message);
    let error = assign(&source, &column(ColumnType::Integer), Rows::Each(&[4, 5, 6])).unwrap_err();
    assert_eq!(error.detail.as_deref(), Some("column \"a\", row 7"));
}

#[test]
fn a_huge_value_is_refused() {
    let source: ArrayRef = Arc::new(StringArray::from(vec!["small".to_owned(), "x".repeat(MAX_VALUE_BYTES + 1)]));
    for ty in [ColumnType::Text, ColumnType::Bytea] {
        let error = assign(&source, &column(ty), Rows::From(0)).unwrap_err();
        assert_eq!((error.sqlstate, error.detail.as_deref()), ("54000", Some("column \"a\", row 2")));
    }
}
