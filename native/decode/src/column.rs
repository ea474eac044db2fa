//! Columns that cost nothing for rows without a value: the gap is filled when the next value comes.

use crate::text::text;
use arrow_array::builder::StringViewBuilder;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::NullBufferBuilder;
use std::sync::Arc;

/// Numbers, null where none was set.
pub struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    validity: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        // Few batches are smaller, and with sixty columns each growth of each would be felt.
        Self { values: Vec::with_capacity(1024), validity: NullBufferBuilder::new(1024) }
    }
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    /// Puts a number into a row, which must lie behind all rows that have one.
    #[inline(always)]
    pub fn set(&mut self, row: usize, value: T::Native) {
        if self.values.len() < row {
            self.pad(row);
        }
        self.values.push(value);
        self.validity.append_non_null();
    }

    #[cold]
    fn pad(&mut self, rows: usize) {
        self.validity.append_n_nulls(rows - self.values.len());
        self.values.resize(rows, T::default_value());
    }

    /// The column of so many rows.
    pub fn finish(mut self, rows: usize) -> PrimitiveArray<T> {
        self.pad(rows);
        PrimitiveArray::new(self.values.into(), self.validity.finish())
    }

    /// The column of so many rows, its type forgotten.
    pub fn into_array(self, rows: usize) -> ArrayRef {
        Arc::new(self.finish(rows))
    }
}

/// Texts that seldom repeat, as Arrow's string views.
pub struct Texts {
    values: StringViewBuilder,
    rows: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self { values: StringViewBuilder::new(), rows: 0 }
    }
}

impl Texts {
    /// Puts a text into a row; an empty one is null, what isn't UTF-8 is replaced, and `repaired` set.
    #[inline]
    pub fn set(&mut self, row: usize, value: &[u8], repaired: &mut bool) {
        if !value.is_empty() {
            self.pad(row);
            match str::from_utf8(value) {
                Ok(text) => self.values.append_value(text),
                Err(_) => self.values.append_value(text(value, repaired)),
            }
            self.rows += 1;
        }
    }

    #[inline]
    fn pad(&mut self, rows: usize) {
        while self.rows < rows {
            self.values.append_null();
            self.rows += 1;
        }
    }

    /// The column of so many rows.
    pub fn finish(mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        Arc::new(self.values.finish())
    }
}
