//! Gathers finished columns into a record batch.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field, Schema};
use std::sync::Arc;

/// Columns of equal length, in the order in which they were added.
pub struct Table {
    /// The length of each column.
    pub rows: usize,
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
}

impl Table {
    /// A table without columns yet.
    pub fn new(rows: usize) -> Self {
        Self { rows, fields: vec![], columns: vec![] }
    }

    /// Adds a column; every one may hold nulls, so that a table's schema doesn't depend on its rows.
    pub fn add(&mut self, name: impl Into<String>, mut column: ArrayRef) {
        // Columns begin with room for a thousand rows. Whoever keeps a table of twenty would keep that room with it.
        column.shrink_to_fit();
        self.fields.push(Field::new(name, column.data_type().clone(), true));
        self.columns.push(column);
    }

    /// The whole.
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(self.fields)), self.columns, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{Numbers, Texts};
    use arrow_array::types::UInt64Type;

    #[test]
    fn a_short_table_keeps_no_room_for_a_long_one() {
        let (mut numbers, mut texts) = (Numbers::<UInt64Type>::default(), Texts::default());
        numbers.set(0, 7);
        texts.set(0, b"a text that does not fit into its view", &mut false);
        let mut table = Table::new(1);
        table.add("numbers", numbers.into_array(1));
        table.add("texts", texts.finish(1));
        assert!(table.finish().unwrap().get_array_memory_size() < 1024);
    }
}
