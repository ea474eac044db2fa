//! The columns of HTTPRequestProperties and HTTPResponseProperties.

use crate::column::{Numbers, Texts};
use crate::dictionary::Dictionary;
use crate::http::{REQUEST_SIZES, REQUEST_TEXTS, RESPONSE_SIZES, Request, Response, TARGET};
use crate::lists::Pairs;
use crate::maps::Map;
use crate::table::Table;
use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};
use arrow_schema::ArrowError;

/// A map of headers: those asked for as columns, the others as a list.
#[derive(Default)]
struct Headers {
    asked: Vec<(String, Texts)>,
    others: Pairs,
}

impl Headers {
    fn new(asked: &[String]) -> Self {
        let asked = asked.iter().map(|name| (name.clone(), Texts::default())).collect();
        Self { asked, ..Self::default() }
    }

    fn push(&mut self, row: usize, headers: &Map<&[u8]>, repaired: &mut bool) {
        for (key, value) in headers {
            match self.asked.iter_mut().find(|(name, _)| name.as_bytes() == *key) {
                Some((_, column)) => column.set(row, value, repaired),
                None => self.others.add(key, value, repaired),
            }
        }
        self.others.close(row);
    }

    fn finish(self, table: &mut Table, name: &str) -> Result<(), ArrowError> {
        for (header, column) in self.asked {
            table.add(format!("{name}.{header}"), column.finish(table.rows));
        }
        table.add(name, self.others.finish(table.rows)?);
        Ok(())
    }
}

/// One column, or more, for each field of [`Request`].
#[derive(Default)]
pub struct RequestColumns {
    method: Numbers<Int32Type>,
    target: [Dictionary; 2],
    port: Numbers<UInt32Type>,
    texts: [Texts; 6],
    sizes_bytes: [Numbers<UInt64Type>; 4],
    headers: Headers,
}

impl RequestColumns {
    /// Columns for these headers, besides those that are always there.
    pub fn new(headers: &[String]) -> Self {
        Self { headers: Headers::new(headers), ..Self::default() }
    }

    /// Puts a message into the next row.
    pub fn push(&mut self, row: usize, request: &Request, repaired: &mut bool) {
        self.method.set(row, request.method);
        for (column, text) in self.target.iter_mut().zip(request.target) {
            column.set_text(row, text, repaired);
        }
        if let Some(port) = request.port {
            self.port.set(row, port);
        }
        for (column, text) in self.texts.iter_mut().zip(request.texts) {
            column.set(row, text, repaired);
        }
        for (column, bytes) in self.sizes_bytes.iter_mut().zip(request.sizes_bytes) {
            column.set(row, bytes);
        }
        self.headers.push(row, &request.headers, repaired);
    }

    /// Adds all columns to the table.
    pub fn finish(self, table: &mut Table) -> Result<(), ArrowError> {
        let rows = table.rows;
        table.add("request_method", self.method.into_array(rows));
        for (name, column) in TARGET.into_iter().zip(self.target) {
            table.add(name, column.finish_text(rows)?);
        }
        table.add("port", self.port.into_array(rows));
        for (name, column) in REQUEST_TEXTS.into_iter().zip(self.texts) {
            table.add(name, column.finish(rows));
        }
        for (name, column) in REQUEST_SIZES.into_iter().zip(self.sizes_bytes) {
            table.add(name, column.into_array(rows));
        }
        self.headers.finish(table, "request_headers")
    }
}

/// One column, or more, for each field of [`Response`].
#[derive(Default)]
pub struct ResponseColumns {
    code: Numbers<UInt32Type>,
    sizes_bytes: [Numbers<UInt64Type>; 4],
    headers: Headers,
    trailers: Headers,
    code_details: Dictionary,
}

impl ResponseColumns {
    /// Columns for these headers and trailers, besides those that are always there.
    pub fn new(headers: &[String], trailers: &[String]) -> Self {
        Self { headers: Headers::new(headers), trailers: Headers::new(trailers), ..Self::default() }
    }

    /// Puts a message into the next row.
    pub fn push(&mut self, row: usize, response: &Response, repaired: &mut bool) {
        if let Some(code) = response.code {
            self.code.set(row, code);
        }
        for (column, bytes) in self.sizes_bytes.iter_mut().zip(response.sizes_bytes) {
            column.set(row, bytes);
        }
        self.headers.push(row, &response.headers, repaired);
        self.trailers.push(row, &response.trailers, repaired);
        self.code_details.set_text(row, response.code_details, repaired);
    }

    /// Adds all columns to the table.
    pub fn finish(self, table: &mut Table) -> Result<(), ArrowError> {
        table.add("response_code", self.code.into_array(table.rows));
        for (name, column) in RESPONSE_SIZES.into_iter().zip(self.sizes_bytes) {
            table.add(name, column.into_array(table.rows));
        }
        self.headers.finish(table, "response_headers")?;
        self.trailers.finish(table, "response_trailers")?;
        table.add("response_code_details", self.code_details.finish_text(table.rows)?);
        Ok(())
    }
}
