//! The table of docs/columns.md in the making: one row an entry.

use crate::column::Numbers;
use crate::common_columns::CommonColumns;
use crate::entry::Entry;
use crate::http_columns::{RequestColumns, ResponseColumns};
use crate::table::Table;
use crate::tls;
use arrow_array::RecordBatch;
use arrow_array::builder::BooleanBuilder;
use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_schema::ArrowError;
use std::sync::Arc;

/// Map keys that get a column of their own.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Names of request headers, as Envoy writes them: lower case.
    pub request_headers: Vec<String>,
    /// Names of response headers.
    pub response_headers: Vec<String>,
    /// Names of response trailers.
    pub response_trailers: Vec<String>,
    /// Keys of filter-state objects.
    pub filter_state: Vec<String>,
}

/// What was repaired in an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Bytes that should be UTF-8 and aren't.
    pub invalid_utf8: bool,
    /// A time that doesn't fit into an int64 of nanoseconds.
    pub time_out_of_range: bool,
}

/// All columns.
pub struct Columns {
    rows: usize,
    node: Numbers<UInt32Type>,
    tcp: BooleanBuilder,
    common: CommonColumns,
    received_bytes: Numbers<UInt64Type>,
    sent_bytes: Numbers<UInt64Type>,
    protocol_version: Numbers<Int32Type>,
    request: RequestColumns,
    response: ResponseColumns,
}

impl Columns {
    /// A table without rows.
    pub fn new(asked: &Asked) -> Self {
        Self {
            rows: 0,
            node: Numbers::default(),
            tcp: BooleanBuilder::new(),
            common: CommonColumns::new(&asked.filter_state),
            received_bytes: Numbers::default(),
            sent_bytes: Numbers::default(),
            protocol_version: Numbers::default(),
            request: RequestColumns::new(&asked.request_headers),
            response: ResponseColumns::new(&asked.response_headers, &asked.response_trailers),
        }
    }

    /// Adds an entry as the next row.
    pub fn push(&mut self, node: u32, entry: &Entry, tls: &tls::Memory) -> Repairs {
        let row = self.rows;
        let mut repaired = false;
        self.node.set(row, node);
        self.tcp.append_value(entry.tcp);
        self.common.push(row, &entry.common, tls, &mut repaired);
        if let Some(connection) = entry.connection {
            self.received_bytes.set(row, connection.received_bytes);
            self.sent_bytes.set(row, connection.sent_bytes);
        }
        if !entry.tcp {
            self.protocol_version.set(row, entry.protocol_version);
        }
        if entry.has_request {
            self.request.push(row, &entry.request, &mut repaired);
        }
        if entry.has_response {
            self.response.push(row, &entry.response, &mut repaired);
        }
        self.rows += 1;
        Repairs { invalid_utf8: repaired, time_out_of_range: entry.common.plain.time_out_of_range }
    }

    /// The table.
    pub fn finish(mut self, tls: &tls::Memory) -> Result<RecordBatch, ArrowError> {
        let mut table = Table::new(self.rows);
        table.add("node", self.node.into_array(self.rows));
        table.add("tcp", Arc::new(self.tcp.finish()));
        self.common.finish(&mut table, tls)?;
        table.add("received_bytes", self.received_bytes.into_array(self.rows));
        table.add("sent_bytes", self.sent_bytes.into_array(self.rows));
        table.add("protocol_version", self.protocol_version.into_array(self.rows));
        self.request.finish(&mut table)?;
        self.response.finish(&mut table)?;
        table.finish()
    }
}
