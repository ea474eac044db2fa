//! The columns of AccessLogCommon.

use crate::address::Address;
use crate::column::{Numbers, Texts};
use crate::common::{ADDRESSES, Common, FAILURES, ROUTING, TIMES, WIRE_BYTES};
use crate::dictionary::Dictionary;
use crate::lists::{Objects, Pairs};
use crate::table::Table;
use crate::tls;
use crate::tls_columns::TlsColumns;
use arrow_array::builder::BooleanBuilder;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_schema::ArrowError;
use std::sync::Arc;

/// One column, or more, for each field of [`Common`].
#[derive(Default)]
pub struct CommonColumns {
    sample_rate: Numbers<Float64Type>,
    addresses: [(Dictionary, Numbers<UInt32Type>); 5],
    tls: TlsColumns,
    times_ns: [Numbers<Int64Type>; 9],
    routing: [Dictionary; 2],
    response_flags: Numbers<UInt64Type>,
    unauthorized_reason: Numbers<Int32Type>,
    dynamic_metadata: Texts,
    typed_dynamic_metadata: Objects,
    failures: [Dictionary; 3],
    asked_filter_state: Vec<(String, Dictionary)>,
    filter_state_objects: Objects,
    custom_tags: Pairs,
    upstream_request_attempt_count: Numbers<UInt32Type>,
    stream_id: Texts,
    intermediate_log_entry: BooleanBuilder,
    wire_bytes: [Numbers<UInt64Type>; 4],
    access_log_type: Numbers<Int32Type>,
}

impl CommonColumns {
    /// Columns for these filter-state keys, besides those that are always there.
    pub fn new(filter_state: &[String]) -> Self {
        let asked = filter_state.iter().map(|key| (key.clone(), Dictionary::default()));
        Self { asked_filter_state: asked.collect(), ..Self::default() }
    }

    /// Puts a message into the next row.
    pub fn push(&mut self, row: usize, common: &Common, tls: &tls::Memory, repaired: &mut bool) {
        if common.plain.sample_rate != 0.0 {
            self.sample_rate.set(row, common.plain.sample_rate);
        }
        for (columns, address) in self.addresses.iter_mut().zip(&common.plain.addresses) {
            if let Some(address) = address {
                push_address(row, columns, address, repaired);
            }
        }
        if let Some(number) = common.plain.tls {
            *repaired |= self.tls.push(row, number, tls);
        }
        for (column, time_ns) in self.times_ns.iter_mut().zip(common.plain.times_ns) {
            if let Some(time_ns) = time_ns {
                column.set(row, time_ns);
            }
        }
        self.push_numbers(row, common);
        self.push_texts(row, common, repaired);
        self.push_maps(row, common, repaired);
    }

    fn push_numbers(&mut self, row: usize, common: &Common) {
        self.response_flags.set(row, common.plain.response_flags);
        if let Some(reason) = common.plain.unauthorized_reason {
            self.unauthorized_reason.set(row, reason);
        }
        self.upstream_request_attempt_count.set(row, common.plain.upstream_request_attempt_count);
        self.intermediate_log_entry.append_value(common.plain.intermediate_log_entry);
        for (column, bytes) in self.wire_bytes.iter_mut().zip(common.plain.wire_bytes) {
            column.set(row, bytes);
        }
        self.access_log_type.set(row, common.plain.access_log_type);
    }

    fn push_texts(&mut self, row: usize, common: &Common, repaired: &mut bool) {
        for (column, text) in self.routing.iter_mut().zip(common.plain.routing) {
            column.set_text(row, text, repaired);
        }
        for (column, text) in self.failures.iter_mut().zip(common.plain.failures) {
            column.set_text(row, text, repaired);
        }
        self.stream_id.set(row, common.plain.stream_id, repaired);
        *repaired |= common.dynamic_metadata_json.repaired;
        self.dynamic_metadata.set(row, &common.dynamic_metadata_json.bytes, repaired);
    }

    fn push_maps(&mut self, row: usize, common: &Common, repaired: &mut bool) {
        for (key, object) in &common.typed_dynamic_metadata {
            self.typed_dynamic_metadata.add(key, object, repaired);
        }
        self.typed_dynamic_metadata.close(row);
        for (key, object) in &common.filter_state_objects {
            match self.asked_filter_state.iter_mut().find(|(name, _)| name.as_bytes() == *key) {
                Some((_, column)) => column.set_bytes(row, object.serialised),
                None => self.filter_state_objects.add(key, object, repaired),
            }
        }
        self.filter_state_objects.close(row);
        for (key, value) in &common.custom_tags {
            self.custom_tags.add(key, value, repaired);
        }
        self.custom_tags.close(row);
    }

    /// Adds all columns to the table.
    pub fn finish(mut self, table: &mut Table, tls: &tls::Memory) -> Result<(), ArrowError> {
        let rows = table.rows;
        table.add("sample_rate", self.sample_rate.into_array(rows));
        for (name, (text, port)) in ADDRESSES.into_iter().zip(self.addresses) {
            table.add(format!("{name}_address"), text.finish_text(rows)?);
            table.add(format!("{name}_port"), port.into_array(rows));
        }
        self.tls.finish(table, tls)?;
        for (name, column) in TIMES.into_iter().zip(self.times_ns) {
            table.add(name, column.into_array(rows));
        }
        for (name, column) in ROUTING.into_iter().zip(self.routing) {
            table.add(name, column.finish_text(rows)?);
        }
        table.add("response_flags", self.response_flags.into_array(rows));
        table.add("unauthorized_reason", self.unauthorized_reason.into_array(rows));
        table.add("dynamic_metadata", self.dynamic_metadata.finish(rows));
        table.add("typed_dynamic_metadata", self.typed_dynamic_metadata.finish(rows)?);
        for (name, column) in FAILURES.into_iter().zip(self.failures) {
            table.add(name, column.finish_text(rows)?);
        }
        for (key, column) in self.asked_filter_state {
            table.add(format!("filter_state.{key}"), column.finish_bytes(rows)?);
        }
        table.add("filter_state_objects", self.filter_state_objects.finish(rows)?);
        table.add("custom_tags", self.custom_tags.finish(rows)?);
        table.add("upstream_request_attempt_count", self.upstream_request_attempt_count.into_array(rows));
        table.add("stream_id", self.stream_id.finish(rows));
        table.add("intermediate_log_entry", Arc::new(self.intermediate_log_entry.finish()));
        for (name, column) in WIRE_BYTES.into_iter().zip(self.wire_bytes) {
            table.add(name, column.into_array(rows));
        }
        table.add("access_log_type", self.access_log_type.into_array(rows));
        Ok(())
    }
}

#[inline]
fn push_address(
    row: usize,
    (text, port): &mut (Dictionary, Numbers<UInt32Type>),
    address: &Address,
    repaired: &mut bool,
) {
    text.set_text(row, &address.text, repaired);
    if let Some(number) = address.port {
        port.set(row, number);
    }
}
