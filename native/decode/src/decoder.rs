//! Walks messages entry by entry, and counts what had to be left out or repaired.

use crate::columns::{Asked, Columns};
use crate::entry::{Entry, Rejection};
use crate::tls;
use crate::wire::{Fault, Reader, len};
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

/// The most bytes that may be decoded into one table.
///
/// Arrow's offsets are int32. The text grows at most sixfold on the way (a control character in JSON is `\u0001`).
pub const MAX_BYTES: usize = 256 << 20;

/// How many entries (or rests of messages) were kept out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Entries that are not protobuf.
    pub malformed_entry: u64,
    /// Messages that are not protobuf from some point on; the entries before it are kept.
    pub malformed_message: u64,
    /// Entries, or rests of messages, nested too deep.
    pub too_deep: u64,
    /// Entries without common properties.
    pub no_common_properties: u64,
}

/// How many entries were kept though something in them was not right, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Bytes that are not UTF-8 became U+FFFD.
    pub invalid_utf8: u64,
    /// A time that doesn't fit into an int64 of nanoseconds became null.
    pub time_out_of_range: u64,
}

/// What became of some messages.
#[derive(Debug)]
pub struct Decoded {
    /// The table of docs/columns.md.
    pub rows: RecordBatch,
    /// What is not in it.
    pub rejected: Rejected,
    /// What is not in it as it came.
    pub repaired: Repaired,
}

/// Makes one table of many messages.
pub struct Decoder<'a> {
    entry: Entry<'a>,
    tls: tls::Memory<'a>,
    columns: Columns,
    rejected: Rejected,
    repaired: Repaired,
}

impl<'a> Decoder<'a> {
    /// Begins a table.
    pub fn new(asked: &Asked) -> Self {
        Self {
            entry: Entry::default(),
            tls: tls::Memory::default(),
            columns: Columns::new(asked),
            rejected: Rejected::default(),
            repaired: Repaired::default(),
        }
    }

    /// Adds the entries of a StreamAccessLogsMessage. All messages together may have [`MAX_BYTES`].
    ///
    /// Envoy sends either HTTP or TCP entries; should a message have both, we keep both.
    pub fn add(&mut self, message: &'a [u8], node: u32) {
        match self.logs(message, node) {
            Ok(()) => {}
            Err(Fault::Malformed) => self.rejected.malformed_message += 1,
            Err(Fault::TooDeep) => self.rejected.too_deep += 1,
        }
    }

    fn logs(&mut self, message: &'a [u8], node: u32) -> Result<(), Fault> {
        const HTTP_LOGS: u32 = len(2);
        const TCP_LOGS: u32 = len(3);
        let mut message = Reader::new(message);
        while let Some(tag) = message.tag()? {
            match tag {
                HTTP_LOGS => self.entries(message.message()?, node, false)?,
                TCP_LOGS => self.entries(message.message()?, node, true)?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn entries(&mut self, mut logs: Reader<'a>, node: u32, tcp: bool) -> Result<(), Fault> {
        const LOG_ENTRY: u32 = len(1);
        while let Some(tag) = logs.tag()? {
            match tag {
                LOG_ENTRY => self.one(logs.message()?, node, tcp),
                _ => logs.skip(tag)?,
            }
        }
        Ok(())
    }

    fn one(&mut self, message: Reader<'a>, node: u32, tcp: bool) {
        let read = match tcp {
            false => self.entry.read_http(message, &mut self.tls),
            true => self.entry.read_tcp(message, &mut self.tls),
        };
        match read {
            Ok(()) => {
                let repairs = self.columns.push(node, &self.entry, &self.tls);
                self.repaired.invalid_utf8 += u64::from(repairs.invalid_utf8);
                self.repaired.time_out_of_range += u64::from(repairs.time_out_of_range);
            }
            Err(Rejection::Malformed) => self.rejected.malformed_entry += 1,
            Err(Rejection::TooDeep) => self.rejected.too_deep += 1,
            Err(Rejection::NoCommonProperties) => self.rejected.no_common_properties += 1,
        }
    }

    /// The table and the counts.
    pub fn finish(self) -> Result<Decoded, ArrowError> {
        let rows = self.columns.finish(&self.tls)?;
        Ok(Decoded { rows, rejected: self.rejected, repaired: self.repaired })
    }
}
