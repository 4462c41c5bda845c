//! Functions of ours: the position, the build, and whatever depends on time or chance.
//!
//! Promises: time stands still within a statement, and time and chance come from the namespace's world.
//! Never: a function here reads a table or a file.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringViewArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use firn_manifest::world::{World, new_uuid};

/// The build, as `firn_version()` shows it.
pub const VERSION: &str = crate::BUILD;

/// What a statement's own functions answer.
#[derive(Clone, Debug)]
pub struct Facts {
    /// when the statement began, microseconds since 1970 UTC
    pub now: i64,
    /// the newest visible position
    pub position: i64,
    /// who runs it
    pub user: String,
    /// the SQL schemas that plain names are looked up in, in order
    pub path: Arc<[String]>,
    /// the first of them that is there
    pub schema: Option<String>,
}

/// The functions whose answers differ from statement to statement.
#[must_use]
pub fn of_statement(facts: &Facts) -> Vec<ScalarUDF> {
    let now = ScalarValue::TimestampMicrosecond(Some(facts.now), Some("UTC".into()));
    let local = ScalarValue::TimestampMicrosecond(Some(facts.now), None);
    let user = ScalarValue::Utf8View(Some(facts.user.clone()));
    let schema = ScalarValue::Utf8View(facts.schema.clone());
    vec![
        Fact::udf("current_schema", &[], schema),
        Fact::udf("now", &["current_timestamp", "transaction_timestamp", "statement_timestamp"], now),
        Fact::udf("localtimestamp", &[], local),
        Fact::udf("firn_position", &[], ScalarValue::Int64(Some(facts.position))),
        Fact::udf("current_user", &["session_user", "user"], user),
    ]
}

/// The functions that every statement shares.
#[must_use]
pub fn shared() -> Vec<ScalarUDF> {
    let text = |s: &str| ScalarValue::Utf8View(Some(s.to_owned()));
    vec![
        Fact::udf("firn_version", &[], text(VERSION)),
        Fact::udf("version", &[], text(&format!("FirnDB, {VERSION}"))),
        Fact::udf("current_database", &["current_catalog"], text(super::context::CATALOG)),
    ]
}

/// The functions of chance.
#[must_use]
pub fn of_world(world: &Arc<dyn World>) -> Vec<ScalarUDF> {
    [("gen_random_uuid", Chance::Uuid), ("uuid", Chance::Uuid), ("random", Chance::Number)]
        .into_iter()
        .map(|(name, kind)| {
            let signature = Signature::nullary(Volatility::Volatile);
            ScalarUDF::from(Random { name, kind, world: world.clone(), signature })
        })
        .collect()
}

/// A function without arguments that answers one value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fact {
    name: &'static str,
    aliases: Vec<String>,
    value: ScalarValue,
    signature: Signature,
}

impl Fact {
    fn udf(name: &'static str, aliases: &[&str], value: ScalarValue) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            aliases: aliases.iter().map(|&a| a.to_owned()).collect(),
            value,
            signature: Signature::nullary(Volatility::Stable),
        })
    }
}

impl ScalarUDFImpl for Fact {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Chance {
    Uuid,
    Number,
}

/// A function without arguments that answers anew for every row.
#[derive(Debug)]
struct Random {
    name: &'static str,
    kind: Chance,
    world: Arc<dyn World>,
    signature: Signature,
}

impl PartialEq for Random {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.world, &other.world)
    }
}

impl Eq for Random {}

impl Hash for Random {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Random {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Chance::Uuid => DataType::Utf8View,
            Chance::Number => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = 0..args.number_rows;
        let array: ArrayRef = match self.kind {
            Chance::Uuid => {
                Arc::new(StringViewArray::from_iter_values(rows.map(|_| new_uuid(self.world.as_ref()).to_string())))
            }
            Chance::Number => Arc::new(Float64Array::from_iter_values(rows.map(|_| self.unit()))),
        };
        Ok(ColumnarValue::Array(array))
    }
}

impl Random {
    /// Uniform in 0 ≤ x < 1, 53 bits.
    fn unit(&self) -> f64 {
        let mut bytes = [0u8; 8];
        self.world.fill(&mut bytes);
        #[allow(clippy::cast_precision_loss)]
        let numerator = (u64::from_le_bytes(bytes) >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}
