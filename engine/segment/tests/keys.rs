//! Key bytes sort as SQL sorts, for every type and every tuple.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use firn_manifest::schema::ColumnType;
use firn_segment::SegmentErrorKind;
use firn_segment::key::{MAX_KEY_BYTES, decode_key, describe_key, encode_entries, encode_keys};
use firn_segment::types::to_sql;
use proptest::prelude::*;

fn one(column: ArrayRef, ty: ColumnType) -> Vec<u8> {
    let stored = encode_keys(&[Arc::clone(&column)], &[ty]).unwrap();
    let sql = encode_keys(&[to_sql(&column).unwrap()], &[ty]).unwrap();
    assert_eq!(stored, sql, "both forms of a column have the same key");
    stored[0].to_vec()
}

fn text(s: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![s]))
}

/// SQL's order of floating point: NaN is equal to itself and above all, zero has no sign.
fn sql_order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

const DECIMAL: ColumnType = ColumnType::Decimal { precision: 38, scale: 3 };

fn decimal(value: i128) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, 3).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn integers(a: i64, b: i64) {
        let key = |v: i64| one(Arc::new(Int64Array::from(vec![v])), ColumnType::BigInt);
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        let key = |v: i64| one(Arc::new(Int32Array::from(vec![v as i32])), ColumnType::Integer);
        prop_assert_eq!(key(a).cmp(&key(b)), (a as i32).cmp(&(b as i32)));
        let key = |v: i64| one(Arc::new(Int16Array::from(vec![v as i16])), ColumnType::SmallInt);
        prop_assert_eq!(key(a).cmp(&key(b)), (a as i16).cmp(&(b as i16)));
        let key = |v: i64| one(Arc::new(Date32Array::from(vec![v as i32])), ColumnType::Date);
        prop_assert_eq!(key(a).cmp(&key(b)), (a as i32).cmp(&(b as i32)));
        let key = |v: i64| one(Arc::new(TimestampMicrosecondArray::from(vec![v])), ColumnType::Timestamp);
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        let key = |v: i64| one(Arc::new(TimestampMicrosecondArray::from(vec![v]).with_timezone("UTC")), ColumnType::Timestamptz);
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    #[test]
    fn decimals(a: i128, b: i128) {
        prop_assert_eq!(one(decimal(a), DECIMAL).cmp(&one(decimal(b), DECIMAL)), a.cmp(&b));
    }

    #[test]
    fn floats(a in proptest::num::f64::ANY, b in proptest::num::f64::ANY) {
        let key = |v: f64| one(Arc::new(Float64Array::from(vec![v])), ColumnType::Double);
        prop_assert_eq!(key(a).cmp(&key(b)), sql_order(a, b));
        let key = |v: f64| one(Arc::new(Float32Array::from(vec![v as f32])), ColumnType::Real);
        prop_assert_eq!(key(a).cmp(&key(b)), sql_order(f64::from(a as f32), f64::from(b as f32)));
    }

    #[test]
    fn texts_and_bytes(a in "[\\x00-\\x02a-b\u{E4}]{0,6}", b in "[\\x00-\\x02a-b\u{E4}]{0,6}") {
        prop_assert_eq!(one(text(&a), ColumnType::Text).cmp(&one(text(&b), ColumnType::Text)), a.cmp(&b));
        let key = |v: &str| one(Arc::new(BinaryArray::from(vec![v.as_bytes()])), ColumnType::Bytea);
        prop_assert_eq!(key(&a).cmp(&key(&b)), a.as_bytes().cmp(b.as_bytes()));
    }

    #[test]
    fn tuples(
        a in ("[\\x00\\xffa]{0,3}", any::<bool>(), proptest::collection::vec(0u8..3, 0..3), any::<i16>()),
        b in ("[\\x00\\xffa]{0,3}", any::<bool>(), proptest::collection::vec(0u8..3, 0..3), any::<i16>()),
    ) {
        let types = [ColumnType::Varchar { length: 9 }, ColumnType::Boolean, ColumnType::Bytea, ColumnType::SmallInt];
        let key = |t: &(String, bool, Vec<u8>, i16)| {
            let columns: Vec<ArrayRef> = vec![
                text(&t.0),
                Arc::new(BooleanArray::from(vec![t.1])),
                Arc::new(BinaryArray::from(vec![t.2.as_slice()])),
                Arc::new(Int16Array::from(vec![t.3])),
            ];
            encode_keys(&columns, &types).unwrap()[0].to_vec()
        };
        prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        let decoded = decode_key(&key(&a), &types).unwrap();
        prop_assert_eq!(&decoded[0], &a.0);
        prop_assert_eq!(&decoded[1], &a.1.to_string());
        prop_assert_eq!(&decoded[3], &a.3.to_string());
    }

    #[test]
    fn decoding_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for ty in [ColumnType::Boolean, ColumnType::Text, ColumnType::Bytea, ColumnType::Uuid, ColumnType::Real, ColumnType::Date,
            ColumnType::Timestamp, ColumnType::Timestamptz, ColumnType::Double, DECIMAL, ColumnType::BigInt] {
            let _ = decode_key(&bytes, &[ty, ty]);
            let _ = describe_key(&bytes, &[ty]);
        }
    }
}

#[test]
fn equal_values_have_one_key() {
    let key = |v: f64| one(Arc::new(Float64Array::from(vec![v])), ColumnType::Double);
    assert_eq!(key(0.0), key(-0.0));
    assert_eq!(key(f64::NAN), key(-f64::NAN));
    assert!(key(f64::INFINITY) < key(f64::NAN) && key(f64::NEG_INFINITY) < key(f64::MIN));
    let id = |s: &str| one(text(s), ColumnType::Uuid);
    assert_eq!(id("67E55044-10B1-426F-9247-BB680E5FE0C8"), id("67e55044-10b1-426f-9247-bb680e5fe0c8"));
    assert_eq!(id("67e55044-10b1-426f-9247-bb680e5fe0c8").len(), 16);
}

/// These bytes stand in stored manifests; they can never change.
#[test]
fn key_bytes_are_pinned() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![-2])),
        text("a\0b"),
        Arc::new(Float64Array::from(vec![-1.5])),
        decimal(1),
        Arc::new(Date32Array::from(vec![0])),
    ];
    let types = [ColumnType::Integer, ColumnType::Text, ColumnType::Double, DECIMAL, ColumnType::Date];
    let key = encode_keys(&columns, &types).unwrap();
    assert_eq!(
        hex::encode(&key[0]),
        "7ffffffe\
         6100ff620000\
         4007ffffffffffff\
         80000000000000000000000000000001\
         80000000"
    );
    assert_eq!(describe_key(&key[0], &types), "(-2, a\0b, -1.5, 0.001, 1970-01-01)");
    assert_eq!(describe_key(b"\x01", &types), "(0x01)");
}

#[test]
fn what_is_no_key_is_refused() {
    let kind = |columns: &[ArrayRef], types: &[ColumnType]| encode_keys(columns, types).unwrap_err().kind;
    let null: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    assert_eq!(kind(&[null], &[ColumnType::Text]), SegmentErrorKind::Input);
    assert_eq!(kind(&[text("no uuid")], &[ColumnType::Uuid]), SegmentErrorKind::Input);
    assert_eq!(kind(&[text("1")], &[ColumnType::BigInt]), SegmentErrorKind::Input);
    assert_eq!(kind(&[], &[]), SegmentErrorKind::Input);
    assert_eq!(
        kind(&[text("x"), Arc::new(Int16Array::from(vec![1, 2]))], &[ColumnType::Text, ColumnType::SmallInt]),
        SegmentErrorKind::Input
    );
    let scale = Arc::new(Decimal128Array::from(vec![1]).with_precision_and_scale(38, 2).unwrap());
    assert_eq!(kind(&[scale], &[DECIMAL]), SegmentErrorKind::Input);
    assert_eq!(kind(&[text(&"x".repeat(MAX_KEY_BYTES))], &[ColumnType::Text]), SegmentErrorKind::TooLarge);
}

#[test]
fn index_entries_are_pinned_and_order_null_last() {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(-1), Some(1), None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a\0b"), None, Some("")]));
    let entries = encode_entries(&[ints, texts], &[ColumnType::Integer, ColumnType::Text]).unwrap();
    assert_eq!(hex::encode(&entries[0]), "007fffffff006100ff620000");
    assert_eq!(hex::encode(&entries[1]), "008000000101");
    assert_eq!(hex::encode(&entries[2]), "01000000");
    assert!(entries.is_sorted());
}
