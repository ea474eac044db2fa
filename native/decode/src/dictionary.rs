//! Numbers each distinct value of a column, the way Arrow's dictionary arrays want it.

use crate::column::Numbers;
use crate::text::text;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

/// Distinct values in the order in which they came; the n-th has code n.
pub struct Distinct {
    codes: HashTable<Slot>,
    hasher: RandomState,
    bytes: Vec<u8>,
    /// Arrow's: value n lies between the n-th and the next.
    offsets: Vec<i32>,
    /// Neighbouring entries tend to say the same.
    last: Option<(Range<usize>, u32)>,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    code: u32,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { codes: HashTable::new(), hasher: RandomState::default(), bytes: vec![], offsets: vec![0], last: None }
    }
}

impl Distinct {
    /// The code of a text; what isn't UTF-8 is replaced, and `repaired` set.
    #[inline]
    pub fn text_code(&mut self, value: &[u8], repaired: &mut bool) -> u32 {
        // All values here are UTF-8, so bytes that are not can't be found before they are repaired.
        match self.known(value) {
            Ok(code) => code,
            Err(hash) => self.new_text(hash, value, repaired),
        }
    }

    /// The code of some bytes.
    #[inline]
    pub fn code(&mut self, value: &[u8]) -> u32 {
        match self.known(value) {
            Ok(code) => code,
            Err(hash) => self.insert(hash, value),
        }
    }

    /// The code of a value that came before, or else its hash.
    #[inline]
    fn known(&mut self, value: &[u8]) -> Result<u32, u64> {
        if let Some((range, code)) = &self.last
            && &self.bytes[range.clone()] == value
        {
            return Ok(*code);
        }
        let hash = self.hasher.hash_one(value);
        let found = self.codes.find(hash, |slot| slot.hash == hash && &self.bytes[self.range(slot.code)] == value);
        let code = found.ok_or(hash)?.code;
        self.last = Some((self.range(code), code));
        Ok(code)
    }

    #[inline]
    fn range(&self, code: u32) -> Range<usize> {
        let code = code as usize;
        self.offsets[code] as usize..self.offsets[code + 1] as usize
    }

    #[cold]
    fn new_text(&mut self, hash: u64, value: &[u8], repaired: &mut bool) -> u32 {
        let mut wrong = false;
        let text = text(value, &mut wrong);
        *repaired |= wrong;
        if wrong { self.code(text.as_bytes()) } else { self.insert(hash, value) }
    }

    fn insert(&mut self, hash: u64, value: &[u8]) -> u32 {
        let code = self.offsets.len() as u32 - 1;
        self.bytes.extend_from_slice(value);
        // Fits: decode refuses more than MAX_BYTES at once.
        self.offsets.push(self.bytes.len() as i32);
        self.codes.insert_unique(hash, Slot { hash, code }, |slot| slot.hash);
        self.last = Some((self.range(code), code));
        code
    }

    fn into_parts(self) -> (OffsetBuffer<i32>, Buffer) {
        (OffsetBuffer::new(ScalarBuffer::from(self.offsets)), Buffer::from_vec(self.bytes))
    }
}

/// A column of codes with the values they stand for.
#[derive(Default)]
pub struct Dictionary {
    codes: Numbers<UInt32Type>,
    values: Distinct,
}

impl Dictionary {
    /// Puts a text into a row; an empty one is null.
    #[inline]
    pub fn set_text(&mut self, row: usize, value: &[u8], repaired: &mut bool) {
        if !value.is_empty() {
            let code = self.values.text_code(value, repaired);
            self.codes.set(row, code);
        }
    }

    /// Puts bytes into a row.
    pub fn set_bytes(&mut self, row: usize, value: &[u8]) {
        let code = self.code(value);
        self.set_code(row, code);
    }

    /// The code of a value, for [`Dictionary::set_code`].
    pub fn code(&mut self, value: &[u8]) -> u32 {
        self.values.code(value)
    }

    /// Puts a value into a row by its code.
    #[inline]
    pub fn set_code(&mut self, row: usize, code: u32) {
        self.codes.set(row, code);
    }

    /// The column as a dictionary of utf8.
    pub fn finish_text(self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes) = self.values.into_parts();
        let values = StringArray::try_new(offsets, bytes, None)?;
        Ok(Arc::new(DictionaryArray::try_new(self.codes.finish(rows), Arc::new(values))?))
    }

    /// The column as a dictionary of binary.
    pub fn finish_bytes(self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let (offsets, bytes) = self.values.into_parts();
        let values = BinaryArray::try_new(offsets, bytes, None)?;
        Ok(Arc::new(DictionaryArray::try_new(self.codes.finish(rows), Arc::new(values))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    fn decoded(column: Dictionary, rows: usize) -> Vec<Option<String>> {
        let array = column.finish_text(rows).unwrap();
        let dictionary = array.as_dictionary::<UInt32Type>();
        let typed = dictionary.downcast_dict::<StringArray>().unwrap();
        typed.into_iter().map(|value| value.map(str::to_owned)).collect()
    }

    #[test]
    fn equal_values_share_a_code() {
        let mut distinct = Distinct::default();
        let codes: Vec<_> = ["a", "b", "a", "a", "", "b"].iter().map(|value| distinct.code(value.as_bytes())).collect();
        assert_eq!(codes, [0, 1, 0, 0, 2, 1]);
    }

    #[test]
    fn thousands_of_values_keep_their_codes() {
        let mut distinct = Distinct::default();
        for _ in 0..2 {
            for number in 0..10_000_u32 {
                assert_eq!(distinct.code(number.to_string().as_bytes()), number);
            }
        }
    }

    #[test]
    fn rows_without_a_value_are_null() {
        let mut column = Dictionary::default();
        column.set_text(1, b"a", &mut false);
        column.set_text(2, b"", &mut false);
        column.set_text(3, b"a", &mut false);
        let a = Some("a".to_owned());
        assert_eq!(decoded(column, 5), [None, a.clone(), None, a, None]);
    }

    #[test]
    fn a_column_without_values_is_all_null() {
        assert_eq!(Dictionary::default().finish_text(3).unwrap().null_count(), 3);
    }

    #[test]
    fn text_is_repaired_every_time_it_comes() {
        let mut distinct = Distinct::default();
        for expected in ["a\u{fffd}".as_bytes(), b"a\xff", b"a\xff", b"a\xfe"] {
            let mut repaired = false;
            assert_eq!(distinct.text_code(expected, &mut repaired), 0);
            assert_eq!(repaired, expected.len() == 2);
        }
    }
}
