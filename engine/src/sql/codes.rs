//! SQLSTATE codes that only the SQL layer raises (PostgreSQL, appendix A); the shared ones stand in `error::sqlstate`.
//!
//! Promises: a code here means what PostgreSQL means by it, so drivers map it to the right exception.
//! Never: a code of our own invention.

/// text does not read as a value of the type
pub const INVALID_TEXT: &str = "22P02";
/// a number beyond the type's range
pub const NUMERIC_OUT_OF_RANGE: &str = "22003";
/// text does not read as a date or time
pub const INVALID_DATETIME: &str = "22007";
/// a date or time beyond the range
pub const DATETIME_OUT_OF_RANGE: &str = "22008";
/// text longer than VARCHAR(n) allows
pub const STRING_TOO_LONG: &str = "22001";
/// one row would be changed twice by one statement
pub const CARDINALITY_VIOLATION: &str = "21000";
/// a statement of the wrong shape
pub const SYNTAX_ERROR: &str = "42601";
/// a table of that name exists
pub const DUPLICATE_TABLE: &str = "42P07";
/// a column of that name exists, or is named twice
pub const DUPLICATE_COLUMN: &str = "42701";
/// a value of a type that does not assign to the column
pub const DATATYPE_MISMATCH: &str = "42804";
/// an ON CONFLICT target that is no key, or a column reference where none can stand
pub const INVALID_COLUMN_REFERENCE: &str = "42P10";
/// two keys, or another contradiction in a table's definition
pub const INVALID_TABLE_DEFINITION: &str = "42P16";
/// a contradiction in a column's definition
pub const INVALID_COLUMN_DEFINITION: &str = "42611";
/// a name that belongs to the system
pub const RESERVED_NAME: &str = "42939";
/// a name that cannot be one
pub const INVALID_NAME: &str = "42602";
/// a name that is too long
pub const NAME_TOO_LONG: &str = "42622";
/// more columns than a table can have
pub const TOO_MANY_COLUMNS: &str = "54011";
/// no such constraint
pub const UNDEFINED_OBJECT: &str = "42704";
/// no value was given for a parameter
pub const UNDEFINED_PARAMETER: &str = "42P02";
/// no such schema
pub const INVALID_SCHEMA_NAME: &str = "3F000";
/// the system's own tables are not written by statements
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
