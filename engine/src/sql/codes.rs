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
/// a SQL schema of that name exists
pub const DUPLICATE_SCHEMA: &str = "42P06";
/// an object of another kind than the statement is about
pub const WRONG_OBJECT_TYPE: &str = "42809";
/// something else needs what would be dropped
pub const DEPENDENT_OBJECTS: &str = "2BP01";
/// the system's own tables are not written by statements
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// a row that a CHECK refuses
pub const CHECK_VIOLATION: &str = "23514";
/// a row that refers to nothing, or is still referred to
pub const FOREIGN_KEY_VIOLATION: &str = "23503";
/// a value given for a column that makes its own
pub const GENERATED_ALWAYS: &str = "428C9";
/// an identity column has no number left
pub const SEQUENCE_LIMIT: &str = "2200H";
/// a definition that cannot be, such as a volatile expression
pub const INVALID_OBJECT_DEFINITION: &str = "42P17";
/// a foreign key that refers to columns that are no key
pub const INVALID_FOREIGN_KEY: &str = "42830";
/// a constraint or index of that name exists
pub const DUPLICATE_OBJECT: &str = "42710";
/// a window function where none can stand
pub const WINDOWING: &str = "42P20";
