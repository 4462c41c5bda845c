//! `AT TIME ZONE`: a time with zone to the local time there, and back.
//!
//! Promises: as in PostgreSQL: TIMESTAMPTZ gives the TIMESTAMP on the clocks of the zone, TIMESTAMP the TIMESTAMPTZ it
//! names there.
//! Never: a local time that does not exist (the hour skipped in spring) becomes NULL: it is read with the offset before.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::errors::external;
use crate::error::Error;

/// `timezone(zone, time)`, which `time AT TIME ZONE zone` means.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct AtTimeZone {
    signature: Signature,
}

impl AtTimeZone {
    /// The function.
    #[must_use]
    pub fn udf() -> ScalarUDF {
        ScalarUDF::from(Self { signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &'static str {
        "timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let micros = |zone: Option<Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone);
        match types {
            [zone, DataType::Timestamp(_, with)] if zone.is_string() || zone.is_null() => {
                Ok(vec![DataType::Utf8, micros(with.clone())])
            }
            [zone, DataType::Date32 | DataType::Utf8 | DataType::Utf8View | DataType::Null] if zone.is_string() => {
                Ok(vec![DataType::Utf8, micros(Some("UTC".into()))])
            }
            _ => datafusion::common::plan_err!("No function matches the given name and argument types: AT TIME ZONE"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let zone = match types {
            [_, DataType::Timestamp(_, Some(_))] => None,
            _ => Some("UTC".into()),
        };
        Ok(DataType::Timestamp(TimeUnit::Microsecond, zone))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let output = args.return_field.data_type().clone();
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [zones, times] = arrays.as_slice() else {
            return datafusion::common::exec_err!("AT TIME ZONE takes a time and a zone");
        };
        let result = convert(zones, times, &output)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Times moved by their zones, to `output`.
pub(super) fn convert(zones: &ArrayRef, times: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    let local = matches!(output, DataType::Timestamp(_, None));
    let zones = zones.as_string::<i32>();
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let mut known: Option<(String, Tz)> = None;
    let mut out = Vec::with_capacity(times.len());
    for row in 0..times.len() {
        if zones.is_null(row) || times.is_null(row) {
            out.push(None);
            continue;
        }
        let name = zones.value(row);
        let zone = match &known {
            Some((text, zone)) if text == name => *zone,
            _ => {
                let zone = read(name)?;
                known = Some((name.to_owned(), zone));
                zone
            }
        };
        let moved = if local { there(times.value(row), zone) } else { named_there(times.value(row), zone) };
        out.push(Some(moved.ok_or_else(|| external(Error::statement("22008", "timestamp out of range")))?));
    }
    let array = TimestampMicrosecondArray::from(out);
    Ok(match output {
        DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(Arc::clone(zone))),
        _ => Arc::new(array),
    })
}

fn read(name: &str) -> Result<Tz> {
    let text = match name.to_ascii_lowercase().as_str() {
        "utc" | "z" | "gmt" => "+00:00".to_owned(),
        // Arrow wants minutes in an offset
        short if short.len() == 3 && short.starts_with(['+', '-']) => format!("{short}:00"),
        _ => name.to_owned(),
    };
    text.parse::<Tz>().map_err(|_| {
        external(
            Error::statement("22023", format!("time zone \"{name}\" is not known"))
                .with_hint("write a name such as Europe/Berlin, or an offset such as +02:00"),
        )
    })
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc())
}

/// What the clocks of the zone show at that instant.
fn there(micros: i64, zone: Tz) -> Option<i64> {
    let offset = zone.offset_from_utc_datetime(&naive(micros)?).fix().local_minus_utc();
    micros.checked_add(i64::from(offset) * 1_000_000)
}

/// The instant at which the clocks of the zone show that time; the earlier one when they show it twice.
fn named_there(micros: i64, zone: Tz) -> Option<i64> {
    let local = naive(micros)?;
    let offset = match zone.offset_from_local_datetime(&local).earliest() {
        Some(offset) => offset,
        None => zone.offset_from_local_datetime(&local.checked_sub_signed(TimeDelta::hours(3))?).earliest()?,
    };
    micros.checked_sub(i64::from(offset.fix().local_minus_utc()) * 1_000_000)
}
