//! Declared types: PostgreSQL's spellings to [`ColumnType`] and back to the name PostgreSQL shows.
//!
//! Promises: a type that is not one of ours is refused with what to use instead, never silently replaced.
//! A NUMERIC without precision becomes NUMERIC(38,10): 28 digits before the point and 10 after.
//! Never: a length, precision or scale is dropped.

use arrow::datatypes::{DataType as Arrow, Field};
use firn_manifest::schema::ColumnType;
use firn_segment::types::sql_type;
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::error::{Error, Result, sqlstate};
use crate::state::rows::type_name;

/// The most digits a DECIMAL can have.
pub const MAX_PRECISION: u8 = 38;
/// What a NUMERIC without precision means.
pub const PLAIN_NUMERIC: ColumnType = ColumnType::Decimal { precision: MAX_PRECISION, scale: 10 };
/// The longest VARCHAR that can be declared, in characters (PostgreSQL's own bound).
pub const MAX_VARCHAR: u64 = 10_485_760;

/// The column type a declared type means.
///
/// # Errors
/// 0A000 for a type that is not supported, 22023 for a length, precision or scale out of bounds.
pub fn column_type(ty: &DataType) -> Result<ColumnType> {
    Ok(match ty {
        DataType::Boolean | DataType::Bool => ColumnType::Boolean,
        DataType::SmallInt(None) | DataType::Int2(None) => ColumnType::SmallInt,
        DataType::Integer(None) | DataType::Int(None) | DataType::Int4(None) => ColumnType::Integer,
        DataType::BigInt(None) | DataType::Int8(None) => ColumnType::BigInt,
        DataType::Real | DataType::Float4 => ColumnType::Real,
        DataType::DoublePrecision | DataType::Float8 | DataType::Double(ExactNumberInfo::None) => ColumnType::Double,
        DataType::Float(info) => float(info)?,
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => decimal(info)?,
        DataType::Text => ColumnType::Text,
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            varchar(length.as_ref())?
        }
        DataType::Bytea => ColumnType::Bytea,
        DataType::Date => ColumnType::Date,
        DataType::Timestamp(precision, zone) => timestamp(*precision, zone)?,
        DataType::Uuid => ColumnType::Uuid,
        DataType::Time(precision, zone) => time(*precision, zone)?,
        DataType::Interval { fields: None, precision: None } => ColumnType::Interval,
        DataType::JSON => ColumnType::Json,
        DataType::JSONB => ColumnType::Jsonb,
        DataType::Array(of) => array(of)?,
        other => return Err(refuse(other)),
    })
}

/// The column type of a query's output, for a table or a view made of it.
///
/// # Errors
/// 0A000 for a type that no column can have.
pub fn of_field(field: &Field) -> Result<ColumnType> {
    if let Some(declared) = field.metadata().get("firn.type")
        && let Ok(ty) = parse_type(declared)
        && sql_type(ty) == *field.data_type()
    {
        return Ok(ty);
    }
    Ok(match field.data_type() {
        Arrow::Boolean => ColumnType::Boolean,
        Arrow::Int8 | Arrow::Int16 | Arrow::UInt8 => ColumnType::SmallInt,
        Arrow::Int32 | Arrow::UInt16 => ColumnType::Integer,
        Arrow::Int64 | Arrow::UInt32 => ColumnType::BigInt,
        Arrow::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        Arrow::Float16 | Arrow::Float32 => ColumnType::Real,
        Arrow::Float64 => ColumnType::Double,
        Arrow::Decimal128(precision, scale) => {
            ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).unwrap_or(0) }
        }
        Arrow::Decimal256(..) => PLAIN_NUMERIC,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View | Arrow::Null => ColumnType::Text,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => ColumnType::Bytea,
        Arrow::Date32 | Arrow::Date64 => ColumnType::Date,
        Arrow::Timestamp(_, None) => ColumnType::Timestamp,
        Arrow::Timestamp(_, Some(_)) => ColumnType::Timestamptz,
        Arrow::Dictionary(_, values) => {
            return of_field(&Field::new(field.name(), values.as_ref().clone(), true));
        }
        other => {
            return Err(Error::unsupported(
                format!("column \"{}\" of type {other}", field.name()),
                "CAST it in the query to a type that columns have",
            ));
        }
    })
}

/// A declared type from its text.
fn parse_type(text: &str) -> Result<ColumnType> {
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).and_then(|mut p| p.parse_data_type());
    column_type(&parsed.map_err(|e| super::errors::from_parser(&e))?)
}

/// The type's long name as PostgreSQL shows it, e.g. `character varying(20)`.
#[must_use]
pub fn display_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::Varchar { length } => format!("character varying({length})"),
        ColumnType::Timestamp => "timestamp without time zone".into(),
        ColumnType::Timestamptz => "timestamp with time zone".into(),
        ColumnType::Time => "time without time zone".into(),
        ColumnType::Array { of } => format!("{}[]", display_name(of.into())),
        short => type_name(short),
    }
}

fn out_of_bounds(message: String) -> Error {
    Error::statement(sqlstate::INVALID_PARAMETER_VALUE, message)
}

fn float(info: &ExactNumberInfo) -> Result<ColumnType> {
    match info {
        ExactNumberInfo::None | ExactNumberInfo::Precision(25..=53) => Ok(ColumnType::Double),
        ExactNumberInfo::Precision(1..=24) => Ok(ColumnType::Real),
        ExactNumberInfo::Precision(p) => {
            Err(out_of_bounds(format!("precision {p} of type FLOAT is out of bounds: it is 1 to 53 bits")))
        }
        ExactNumberInfo::PrecisionAndScale(..) => {
            Err(Error::unsupported("FLOAT with a scale", "use NUMERIC(p,s) for exact numbers, or DOUBLE PRECISION"))
        }
    }
}

fn decimal(info: &ExactNumberInfo) -> Result<ColumnType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(PLAIN_NUMERIC),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    if precision == 0 {
        return Err(out_of_bounds("precision 0 of type NUMERIC is out of bounds: it is 1 to 38 digits".into()));
    }
    if scale < 0 {
        return Err(Error::unsupported(
            format!("NUMERIC({precision},{scale}): a negative scale"),
            "use scale 0 and round in the query",
        ));
    }
    let digits = u8::try_from(precision).ok().filter(|p| *p <= MAX_PRECISION);
    let Some(digits) = digits else {
        return Err(Error::unsupported(
            format!("NUMERIC({precision},{scale}): more than 38 digits"),
            "use at most NUMERIC(38,s), or TEXT for longer numbers",
        ));
    };
    match u8::try_from(scale).ok().filter(|s| *s <= digits) {
        Some(scale) => Ok(ColumnType::Decimal { precision: digits, scale }),
        None => Err(out_of_bounds(format!(
            "scale {scale} of type NUMERIC is out of bounds: it is 0 to the precision, {digits}"
        ))),
    }
}

fn varchar(length: Option<&CharacterLength>) -> Result<ColumnType> {
    match length {
        None => Ok(ColumnType::Text),
        Some(CharacterLength::Max) => Err(Error::unsupported("VARCHAR(MAX)", "use TEXT")),
        Some(CharacterLength::IntegerLength { length, .. }) => match u32::try_from(*length) {
            Ok(n) if n >= 1 && *length <= MAX_VARCHAR => Ok(ColumnType::Varchar { length: n }),
            _ => Err(out_of_bounds(format!(
                "length {length} of type VARCHAR is out of bounds: it is 1 to {MAX_VARCHAR} characters; for more use TEXT"
            ))),
        },
    }
}

fn timestamp(precision: Option<u64>, zone: &TimezoneInfo) -> Result<ColumnType> {
    if let Some(p) = precision.filter(|p| *p != 6) {
        return Err(Error::unsupported(
            format!("TIMESTAMP({p})"),
            "use TIMESTAMP or TIMESTAMPTZ; both keep microseconds",
        ));
    }
    Ok(match zone {
        TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => ColumnType::Timestamp,
        TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => ColumnType::Timestamptz,
    })
}

fn time(precision: Option<u64>, zone: &TimezoneInfo) -> Result<ColumnType> {
    match (precision, zone) {
        (None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok(ColumnType::Time),
        (_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            Err(Error::unsupported("TIME WITH TIME ZONE", "use TIME, or TIMESTAMPTZ"))
        }
        (Some(p), _) => Err(Error::unsupported(format!("TIME({p})"), "use TIME; it keeps microseconds")),
    }
}

fn array(of: &ArrayElemTypeDef) -> Result<ColumnType> {
    let of = match of {
        ArrayElemTypeDef::SquareBracket(of, _) => of,
        ArrayElemTypeDef::AngleBracket(_) | ArrayElemTypeDef::Parenthesis(_) | ArrayElemTypeDef::None => {
            return Err(Error::unsupported(
                "this form of an array's type",
                "write the element's type and []: BIGINT[]",
            ));
        }
    };
    match column_type(of)?.as_element() {
        Some(of) => Ok(ColumnType::Array { of }),
        None => Err(Error::unsupported(
            "an array of more than one dimension",
            "use one dimension, JSONB, or one row for each element in a table of its own",
        )),
    }
}

fn refuse(ty: &DataType) -> Error {
    let instead = match ty {
        DataType::Char(_) | DataType::Character(_) => "use VARCHAR(n) or TEXT; they do not pad with blanks",
        DataType::Nvarchar(_)
        | DataType::String(_)
        | DataType::Clob(_)
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText => "use TEXT",
        DataType::Blob(_)
        | DataType::Binary(_)
        | DataType::Varbinary(_)
        | DataType::Bytes(_)
        | DataType::TinyBlob
        | DataType::MediumBlob
        | DataType::LongBlob => "use BYTEA",
        DataType::TinyInt(_) | DataType::Int16 => "use SMALLINT",
        DataType::MediumInt(_) | DataType::Int32 => "use INTEGER",
        DataType::Int64 => "use BIGINT",
        DataType::Float32 => "use REAL",
        DataType::Float64 => "use DOUBLE PRECISION",
        DataType::HugeInt | DataType::Int128 => "use NUMERIC(38,0)",
        DataType::Datetime(_) | DataType::Datetime64(..) | DataType::TimestampNtz(_) => "use TIMESTAMP or TIMESTAMPTZ",
        DataType::Interval { .. } => "use INTERVAL; it keeps every field, and microseconds",
        DataType::Enum(..) => "use TEXT",
        DataType::Unspecified => "name a type after the column",
        DataType::Custom(name, _) => match name.to_string().to_ascii_lowercase().as_str() {
            "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" | "serial2" => {
                "use BIGINT with values of your own, or UUID DEFAULT gen_random_uuid(); a table without a key gets hidden row ids"
            }
            "money" => "use NUMERIC(19,2)",
            "citext" | "name" | "bpchar" | "xml" | "jsonpath" | "inet" | "cidr" | "macaddr" => "use TEXT",
            _ => KNOWN,
        },
        _ => KNOWN,
    };
    Error::unsupported(format!("type {ty}"), instead)
}

const KNOWN: &str = "the types are BOOLEAN, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, NUMERIC(p,s), TEXT, VARCHAR(n), BYTEA, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, JSON, JSONB and arrays of them (BIGINT[])";

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use firn_manifest::schema::Element;

    fn parse(text: &str) -> Result<ColumnType> {
        let ty = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_data_type().unwrap();
        column_type(&ty)
    }

    #[test]
    fn every_spelling_has_its_type() {
        use ColumnType as T;
        let numeric = |precision, scale| T::Decimal { precision, scale };
        let table = [
            ("bool", T::Boolean),
            ("BOOLEAN", T::Boolean),
            ("smallint", T::SmallInt),
            ("int2", T::SmallInt),
            ("int", T::Integer),
            ("integer", T::Integer),
            ("INT4", T::Integer),
            ("bigint", T::BigInt),
            ("int8", T::BigInt),
            ("real", T::Real),
            ("float4", T::Real),
            ("float(24)", T::Real),
            ("float(25)", T::Double),
            ("float", T::Double),
            ("float8", T::Double),
            ("double precision", T::Double),
            ("double", T::Double),
            ("decimal", numeric(38, 10)),
            ("numeric", numeric(38, 10)),
            ("numeric(12)", numeric(12, 0)),
            ("decimal(10,2)", numeric(10, 2)),
            ("dec(38,38)", numeric(38, 38)),
            ("text", T::Text),
            ("varchar", T::Text),
            ("varchar(20)", T::Varchar { length: 20 }),
            ("character varying(3)", T::Varchar { length: 3 }),
            ("bytea", T::Bytea),
            ("date", T::Date),
            ("timestamp", T::Timestamp),
            ("timestamp(6)", T::Timestamp),
            ("timestamp without time zone", T::Timestamp),
            ("timestamptz", T::Timestamptz),
            ("timestamp with time zone", T::Timestamptz),
            ("uuid", T::Uuid),
            ("time", T::Time),
            ("time without time zone", T::Time),
            ("interval", T::Interval),
            ("json", T::Json),
            ("JSONB", T::Jsonb),
            ("bigint[]", T::Array { of: Element::BigInt }),
            ("text[]", T::Array { of: Element::Text }),
            ("varchar(3)[]", T::Array { of: Element::Varchar { length: 3 } }),
        ];
        for (text, want) in table {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn others_are_refused_with_an_alternative() {
        for (text, state) in [
            ("serial", "0A000"),
            ("char(3)", "0A000"),
            ("int[][]", "0A000"),
            ("timetz", "0A000"),
            ("time with time zone", "0A000"),
            ("time(3)", "0A000"),
            ("interval day to second", "0A000"),
            ("money", "0A000"),
            ("char(3)[]", "0A000"),
            ("timestamp(3)", "0A000"),
            ("numeric(39,2)", "0A000"),
            ("numeric(5,6)", "22023"),
            ("numeric(0)", "22023"),
            ("varchar(0)", "22023"),
            ("float(54)", "22023"),
            ("blob", "0A000"),
            ("nonsense", "0A000"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.sqlstate, state, "{text}");
            assert!(state != "0A000" || error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn names_parse_back() {
        for ty in [ColumnType::Varchar { length: 9 }, PLAIN_NUMERIC, ColumnType::Timestamptz, ColumnType::Double] {
            assert_eq!(parse(&display_name(ty)).unwrap(), ty);
        }
    }
}
