//! Columns of maps, as lists of key and value in the order of the wire; an empty one is null.

use crate::maps::Any;
use crate::text::text;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};
use std::sync::Arc;

/// Where each row's items end.
struct Rows {
    offsets: Vec<i32>,
    validity: NullBufferBuilder,
}

impl Default for Rows {
    fn default() -> Self {
        Self { offsets: vec![0], validity: NullBufferBuilder::new(0) }
    }
}

impl Rows {
    fn end(&self) -> i32 {
        self.offsets[self.offsets.len() - 1]
    }

    /// Says that a row, which must lie behind all others, ends with this item.
    fn set(&mut self, row: usize, end: usize) {
        self.pad(row);
        self.offsets.push(end as i32);
        self.validity.append_non_null();
    }

    fn pad(&mut self, rows: usize) {
        self.validity.append_n_nulls(rows + 1 - self.offsets.len());
        self.offsets.resize(rows + 1, self.end());
    }

    fn finish(mut self, rows: usize, fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        let items = StructArray::try_new(Fields::from(fields), columns, None)?;
        let field = Arc::new(Field::new("item", DataType::Struct(items.fields().clone()), false));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(items), self.validity.finish())?))
    }
}

/// Lists of struct {key utf8, value utf8}.
pub struct Pairs {
    rows: Rows,
    items: usize,
    keys: StringBuilder,
    values: StringBuilder,
}

impl Default for Pairs {
    fn default() -> Self {
        // Most meshes have nothing to put here: no memory until there is.
        let text = || StringBuilder::with_capacity(0, 0);
        Self { rows: Rows::default(), items: 0, keys: text(), values: text() }
    }
}

impl Pairs {
    /// Adds a pair to a row, which must be the last one that has any, or lie behind it.
    pub fn add(&mut self, key: &[u8], value: &[u8], repaired: &mut bool) {
        self.keys.append_value(text(key, repaired));
        self.values.append_value(text(value, repaired));
        self.items += 1;
    }

    /// Gives what was added since the last call to this row.
    pub fn close(&mut self, row: usize) {
        if self.items > self.rows.end() as usize {
            self.rows.set(row, self.items);
        }
    }

    /// The column of so many rows.
    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let fields = vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, false)];
        self.rows.finish(rows, fields, vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())])
    }
}

/// Lists of struct {key utf8, type_url utf8, value binary}.
pub struct Objects {
    rows: Rows,
    items: usize,
    keys: StringBuilder,
    type_urls: StringBuilder,
    values: BinaryBuilder,
}

impl Default for Objects {
    fn default() -> Self {
        let text = || StringBuilder::with_capacity(0, 0);
        let values = BinaryBuilder::with_capacity(0, 0);
        Self { rows: Rows::default(), items: 0, keys: text(), type_urls: text(), values }
    }
}

impl Objects {
    /// Adds an object; see [`Pairs::add`].
    pub fn add(&mut self, key: &[u8], object: &Any, repaired: &mut bool) {
        self.keys.append_value(text(key, repaired));
        self.type_urls.append_value(text(object.type_url, repaired));
        self.values.append_value(object.value);
        self.items += 1;
    }

    /// Gives what was added since the last call to this row.
    pub fn close(&mut self, row: usize) {
        if self.items > self.rows.end() as usize {
            self.rows.set(row, self.items);
        }
    }

    /// The column of so many rows.
    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let fields = vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("type_url", DataType::Utf8, false),
            Field::new("value", DataType::Binary, false),
        ];
        let columns: Vec<ArrayRef> =
            vec![Arc::new(self.keys.finish()), Arc::new(self.type_urls.finish()), Arc::new(self.values.finish())];
        self.rows.finish(rows, fields, columns)
    }
}
