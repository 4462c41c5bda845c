//! ALTER COLUMN … TYPE: types that hold everything the old one holds.
//!
//! Promises: the change is one of the schema alone, beside the entries of the column's indexes, which are built anew;
//! stored values are read as the new type, and AS OF an earlier position as the old one.
//! Never: a value could be lost, or read differently.

use firn_manifest::schema::{ColumnType, Generated};

use super::declare::{Building, class};
use super::{dependents, expression};
use crate::error::{Error, Result};
use crate::sql::types::display_name;

const INSTEAD: &str = "add a column of the new type, UPDATE it from the old one, drop the old and rename the new";

/// Gives a column a wider type.
///
/// # Errors
/// 0A000 where the new type is not known to hold every value, or where something else rests on the old one.
pub async fn set_type(building: &mut Building<'_>, at: usize, ty: ColumnType) -> Result<()> {
    let table = building.schema.clone();
    let column = &table.columns[at];
    if column.ty == ty {
        return Ok(());
    }
    let (old, new) = (display_name(column.ty), display_name(ty));
    let refused = |what: String| Err(Error::unsupported(what, INSTEAD));
    if !column.ty.widens_to(ty) {
        return refused(format!("changing column \"{}\" from {old} to {new}", column.name));
    }
    if table.key.contains(&column.id) {
        return refused(format!("changing the type of key column \"{}\"", column.name));
    }
    for other in &table.columns {
        if let Some(Generated::Stored { expression }) = &other.generated
            && (other.id == column.id || expression::columns_of(expression)?.contains(&column.name))
        {
            return refused(format!("changing the type of a column that generated column \"{}\" uses", other.name));
        }
    }
    let refers = table.foreign_keys.iter().any(|f| f.columns.contains(&column.id));
    if class(column.ty) != class(ty) && (refers || building.is_referred(column.id)) {
        return refused(format!("changing foreign key column \"{}\" from {old} to {new}", column.name));
    }
    building.schema.columns[at].ty = ty;
    for index in table.indexes.iter().filter(|i| i.columns.contains(&column.id)) {
        dependents::drop_entries(building, index);
        building.add_index(index.clone()).await?;
    }
    Ok(())
}
