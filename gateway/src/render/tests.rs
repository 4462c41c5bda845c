//! Every type of a column, in every format.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use arrow::ipc::reader::StreamReader;

use super::*;

fn render(format: Format, expanded: bool, batch: &RecordBatch) -> String {
    String::from_utf8(render_bytes(format, expanded, batch)).unwrap()
}

fn render_bytes(format: Format, expanded: bool, batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    let mut render = renderer(format, expanded);
    render.begin(batch.schema_ref(), &mut out).unwrap();
    render.batch(batch, &mut out).unwrap();
    let summary = Summary {
        query: true,
        rows: batch.num_rows() as u64,
        requests: 2,
        bytes: 30,
        round_trips: 1,
        ..Summary::default()
    };
    assert_eq!(render.end(&summary, &mut out).unwrap(), None);
    out
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn sample() -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), Some(9_007_199_254_740_993), None])) as ArrayRef),
        ("name", Arc::new(StringViewArray::from(vec![Some("a,\"b\""), Some(""), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
    ])
}

fn text(array: ArrayRef) -> String {
    let mut out = String::new();
    push_text(&array, 0, &mut out);
    out
}

#[test]
fn csv_keeps_null_and_empty_apart() {
    assert_eq!(
        render(Format::Csv, false, &sample()),
        "id,name,ok\n1,\"a,\"\"b\"\"\",true\n9007199254740993,\"\",false\n,,\n"
    );
}

#[test]
fn json_is_one_line_with_large_numbers_as_strings() {
    assert_eq!(
        render(Format::Json, false, &sample()),
        "{\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"name\",\"type\":\"text\"},{\"name\":\"ok\",\"type\":\"boolean\"}],\
         \"rows\":[[1,\"a,\\\"b\\\"\",true],[\"9007199254740993\",\"\",false],[null,null,null]],\"row_count\":3,\"position\":null,\
         \"stats\":{\"requests\":2,\"bytes\":30,\"round_trips\":1}}\n"
    );
}

#[test]
fn ndjson_is_one_object_a_row_and_keeps_names_apart() {
    let twice = batch(vec![
        ("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        ("a", Arc::new(Float64Array::from(vec![f64::NAN]))),
    ]);
    assert_eq!(render(Format::Ndjson, false, &twice), "{\"a\":1,\"a_2\":\"NaN\"}\n");
}

#[test]
fn a_table_is_aligned_and_shows_control_characters() {
    let shown = render(
        Format::Table,
        false,
        &batch(vec![
            ("n", Arc::new(Int32Array::from(vec![1, 100])) as ArrayRef),
            ("text", Arc::new(StringArray::from(vec![Some("é\u{1b}[31m"), None]))),
        ]),
    );
    assert_eq!(shown, "  n  |   text\n-----+-----------\n   1 | é\\x1B[31m\n 100 | NULL\n(2 rows)\n");
    let lines =
        render(Format::Table, false, &batch(vec![("t", Arc::new(StringArray::from(vec!["a\nbb"])) as ArrayRef)]));
    assert_eq!(lines, " t\n----\n a +\n bb\n(1 row)\n");
}

#[test]
fn expanded_is_one_line_a_column() {
    let shown = render(Format::Table, true, &sample().slice(0, 1));
    assert_eq!(shown, "-[ RECORD 1 ]-\nid   | 1\nname | a,\"b\"\nok   | true\n(1 row)\n");
}

#[test]
fn a_long_table_is_not_held_back() {
    let mut table = renderer(Format::Table, false);
    let rows = batch(vec![("n", Arc::new(Int32Array::from_iter_values(0..5_000)) as ArrayRef)]);
    let mut out = Vec::new();
    table.begin(rows.schema_ref(), &mut out).unwrap();
    table.batch(&rows, &mut out).unwrap();
    assert!(out.len() > 5_000 * 4, "rows beyond the first thousand are written at once");
}

#[test]
fn writes_are_tags_or_documents() {
    let summary = Summary { tag: "INSERT 0 3".into(), rows: 3, position: Some(17), ..Summary::default() };
    let end = |format| {
        let mut out = Vec::new();
        let line = renderer(format, false).end(&summary, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), line)
    };
    assert_eq!(end(Format::Table), ("INSERT 0 3\n".into(), None));
    assert_eq!(end(Format::Csv), (String::new(), Some("INSERT 0 3".into())));
    assert_eq!(end(Format::Arrow), (String::new(), Some("INSERT 0 3".into())));
    assert_eq!(
        end(Format::Json).0,
        "{\"command\":\"INSERT 0 3\",\"row_count\":3,\"position\":17,\"stats\":{\"requests\":0,\"bytes\":0,\"round_trips\":0}}\n"
    );
}

#[test]
fn arrow_streams_are_complete_and_portable() {
    let bytes = render_bytes(Format::Arrow, false, &sample());
    let mut reader = StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read = reader.next().unwrap().unwrap();
    assert_eq!(read.schema().field(1).data_type(), &DataType::Utf8);
    assert_eq!(read.num_rows(), 3);
    assert!(reader.next().is_none());
}

#[test]
fn floats_print_as_postgres_does() {
    for (v, shown) in [
        (1.0, "1"),
        (-0.5, "-0.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e15, "1e+15"),
        (123_456_789_012_345.0, "123456789012345"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-0.0, "-0"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
        (1.797_693_134_862_315_7e308, "1.7976931348623157e+308"),
    ] {
        assert_eq!(text(Arc::new(Float64Array::from(vec![v]))), shown);
    }
    assert_eq!(text(Arc::new(Float32Array::from(vec![0.1f32]))), "0.1");
    assert_eq!(text(Arc::new(Float32Array::from(vec![1_234_567f32]))), "1.234567e+06");
}

#[test]
fn times_print_as_postgres_does() {
    let micros = 1_706_875_445_120_000;
    assert_eq!(text(Arc::new(TimestampMicrosecondArray::from(vec![micros]))), "2024-02-02 12:04:05.12");
    assert_eq!(
        text(Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))),
        "2024-02-02 12:04:05.12+00"
    );
    assert_eq!(text(Arc::new(TimestampNanosecondArray::from(vec![-1]))), "1969-12-31 23:59:59.999999999");
    assert_eq!(text(Arc::new(TimestampSecondArray::from(vec![0]))), "1970-01-01 00:00:00");
    assert_eq!(text(Arc::new(TimestampSecondArray::from(vec![-62_167_219_200]))), "0001-01-01 00:00:00 BC");
    assert_eq!(text(Arc::new(Date32Array::from(vec![19_782]))), "2024-02-29");
    assert_eq!(text(Arc::new(Time64MicrosecondArray::from(vec![3_723_000_001]))), "01:02:03.000001");
    let interval = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(14, 3, 14_706_700_000_000)]);
    assert_eq!(text(Arc::new(interval)), "1 year 2 mons 3 days 04:05:06.7");
    assert_eq!(text(Arc::new(DurationSecondArray::from(vec![90_061]))), "1 day 01:01:01");
    assert_eq!(text(Arc::new(DurationSecondArray::from(vec![0]))), "00:00:00");
}

#[test]
fn bytes_decimals_and_nested_values() {
    assert_eq!(text(Arc::new(BinaryArray::from(vec![&[0xde, 0x00, 0xff][..]]))), "\\xde00ff");
    let decimal = Decimal128Array::from(vec![-5, 900_719_925_474_099_300]).with_precision_and_scale(20, 2).unwrap();
    assert_eq!(text(Arc::new(decimal.clone())), "-0.05");
    let rows = batch(vec![("d", Arc::new(decimal) as ArrayRef)]);
    assert_eq!(render(Format::Ndjson, false, &rows), "{\"d\":-0.05}\n{\"d\":\"9007199254740993.00\"}\n");
    let items: ArrayRef = Arc::new(StringArray::from(vec![Some("a b"), None, Some("c")]));
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([3]), items, None);
    assert_eq!(text(Arc::new(list.clone())), "{\"a b\",NULL,c}");
    let rows = batch(vec![("l", Arc::new(list) as ArrayRef)]);
    assert_eq!(render(Format::Ndjson, false, &rows), "{\"l\":[\"a b\",null,\"c\"]}\n");
    let pair: ArrayRef = Arc::new(StructArray::new(
        Fields::from(vec![Field::new("x", DataType::Int32, true)]),
        vec![Arc::new(Int32Array::from(vec![Some(1)]))],
        Some(NullBuffer::from(vec![true])),
    ));
    assert_eq!(text(pair), "{\"x\":1}");
}

#[test]
fn encoded_columns_are_decoded() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None].into_iter().collect();
    let rows = batch(vec![("d", Arc::new(dictionary) as ArrayRef), ("n", Arc::new(NullArray::new(2)))]);
    assert_eq!(render(Format::Csv, false, &rows), "d,n\nx,\n,\n");
    assert_eq!(render(Format::Ndjson, false, &rows), "{\"d\":\"x\",\"n\":null}\n{\"d\":null,\"n\":null}\n");
}

#[test]
fn the_engines_word_for_a_type_wins() {
    let field = Field::new("u", DataType::Utf8View, true);
    assert_eq!(value::type_name(&field), "text");
    let told = field.with_metadata(HashMap::from([("firn.type".to_owned(), "uuid".to_owned())]));
    assert_eq!(value::type_name(&told), "uuid");
}
