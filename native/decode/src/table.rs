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
    pub fn add(&mut self, name: impl Into<String>, column: ArrayRef) {
        self.fields.push(Field::new(name, column.data_type().clone(), true));
        self.columns.push(column);
    }

    /// The whole.
    pub fn finish(self) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(self.fields)), self.columns, &options)
    }
}
