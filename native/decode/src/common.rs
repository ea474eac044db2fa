//! Reads envoy.data.accesslog.v3.AccessLogCommon, which HTTP and TCP entries share.

use crate::address::{Address, address};
use crate::json::Json;
use crate::maps::{Any, Map, any, clear, pair};
use crate::time::nanoseconds;
use crate::tls;
use crate::wire::{Fault, Reader, double, len, varint};

/// The columns of [`Plain::times_ns`].
pub const TIMES: [&str; 9] = [
    "start_time_ns",
    "time_to_last_rx_byte_ns",
    "time_to_first_upstream_tx_byte_ns",
    "time_to_last_upstream_tx_byte_ns",
    "time_to_first_upstream_rx_byte_ns",
    "time_to_last_upstream_rx_byte_ns",
    "time_to_first_downstream_tx_byte_ns",
    "time_to_last_downstream_tx_byte_ns",
    "duration_ns",
];
/// The columns of [`Plain::addresses`] are named after these.
pub const ADDRESSES: [&str; 5] =
    ["downstream_remote", "downstream_local", "upstream_remote", "upstream_local", "downstream_direct_remote"];
/// The columns of [`Plain::routing`].
pub const ROUTING: [&str; 2] = ["upstream_cluster", "route_name"];
/// The columns of [`Plain::failures`].
pub const FAILURES: [&str; 3] =
    ["upstream_transport_failure_reason", "downstream_transport_failure_reason", "connection_termination_details"];
/// The columns of [`Plain::wire_bytes`].
pub const WIRE_BYTES: [&str; 4] = [
    "downstream_wire_bytes_sent",
    "downstream_wire_bytes_received",
    "upstream_wire_bytes_sent",
    "upstream_wire_bytes_received",
];

/// AccessLogCommon with borrowed strings, which are not yet known to be UTF-8; empty means absent.
#[derive(Default)]
pub struct Common<'a> {
    /// All but the maps, which keep their memory from entry to entry.
    pub plain: Plain<'a>,
    /// 17.1 by namespace
    pub dynamic_metadata: Map<'a, &'a [u8]>,
    /// 17.1 again
    pub dynamic_metadata_json: Json,
    /// 17.2
    pub typed_dynamic_metadata: Map<'a, Any<'a>>,
    /// 21
    pub filter_state_objects: Map<'a, Any<'a>>,
    /// 22
    pub custom_tags: Map<'a, &'a [u8]>,
}

/// The fields of [`Common`] that hold one value each.
#[derive(Default)]
pub struct Plain<'a> {
    /// 1
    pub sample_rate: f64,
    /// 2, 3, 13, 14, 20
    pub addresses: [Option<Address<'a>>; 5],
    /// 4, by its number in [`tls::Memory`]
    pub tls: Option<u32>,
    /// 5–12, 23
    pub times_ns: [Option<i64>; 9],
    /// One of the times doesn't fit into an int64.
    pub time_out_of_range: bool,
    /// 15, 19
    pub routing: [&'a [u8]; 2],
    /// 16: bit n-1 stands for field n
    pub response_flags: u64,
    /// 16.13.1
    pub unauthorized_reason: Option<i32>,
    /// 18, 28, 25
    pub failures: [&'a [u8]; 3],
    /// 24
    pub upstream_request_attempt_count: u32,
    /// 26
    pub stream_id: &'a [u8],
    /// 27
    pub intermediate_log_entry: bool,
    /// 29–32
    pub wire_bytes: [u64; 4],
    /// 33
    pub access_log_type: i32,
}

impl<'a> Common<'a> {
    /// Forgets the last entry; the memory stays.
    pub fn clear(&mut self) {
        clear(&mut self.dynamic_metadata);
        self.dynamic_metadata_json.clear();
        clear(&mut self.typed_dynamic_metadata);
        clear(&mut self.filter_state_objects);
        clear(&mut self.custom_tags);
        self.plain = Plain::default();
    }

    /// Reads all fields.
    pub fn read(&mut self, mut message: Reader<'a>, tls: &mut tls::Memory<'a>) -> Result<(), Fault> {
        while let Some(tag) = message.tag()? {
            self.field(tag, &mut message, tls)?;
        }
        if !self.dynamic_metadata.is_empty() {
            self.dynamic_metadata_json.write_structs(&self.dynamic_metadata)?;
        }
        if self.dynamic_metadata_json.too_deep { Err(Fault::TooDeep) } else { Ok(()) }
    }

    #[inline]
    fn field(&mut self, tag: u32, message: &mut Reader<'a>, tls: &mut tls::Memory<'a>) -> Result<(), Fault> {
        match tag {
            SAMPLE_RATE => self.plain.sample_rate = message.double()?,
            DOWNSTREAM_REMOTE => self.plain.addresses[0] = Some(address(message.message()?)?),
            DOWNSTREAM_LOCAL => self.plain.addresses[1] = Some(address(message.message()?)?),
            TLS_PROPERTIES => self.plain.tls = Some(tls.number(message.bytes()?)?),
            START_TIME => self.time(0, message)?,
            LAST_RX => self.time(1, message)?,
            FIRST_UPSTREAM_TX => self.time(2, message)?,
            LAST_UPSTREAM_TX => self.time(3, message)?,
            FIRST_UPSTREAM_RX => self.time(4, message)?,
            LAST_UPSTREAM_RX => self.time(5, message)?,
            FIRST_DOWNSTREAM_TX => self.time(6, message)?,
            LAST_DOWNSTREAM_TX => self.time(7, message)?,
            DURATION => self.time(8, message)?,
            UPSTREAM_REMOTE => self.plain.addresses[2] = Some(address(message.message()?)?),
            UPSTREAM_LOCAL => self.plain.addresses[3] = Some(address(message.message()?)?),
            DIRECT_REMOTE => self.plain.addresses[4] = Some(address(message.message()?)?),
            UPSTREAM_CLUSTER => self.plain.routing[0] = message.bytes()?,
            ROUTE_NAME => self.plain.routing[1] = message.bytes()?,
            RESPONSE_FLAGS => self.response_flags(message.message()?)?,
            METADATA => self.metadata(message.message()?)?,
            UPSTREAM_FAILURE => self.plain.failures[0] = message.bytes()?,
            DOWNSTREAM_FAILURE => self.plain.failures[1] = message.bytes()?,
            TERMINATION_DETAILS => self.plain.failures[2] = message.bytes()?,
            FILTER_STATE => insert_any(&mut self.filter_state_objects, message.message()?)?,
            CUSTOM_TAGS => insert(&mut self.custom_tags, message.message()?)?,
            ATTEMPTS => self.plain.upstream_request_attempt_count = message.uint32()?,
            STREAM_ID => self.plain.stream_id = message.bytes()?,
            INTERMEDIATE => self.plain.intermediate_log_entry = message.bool()?,
            DOWNSTREAM_SENT => self.plain.wire_bytes[0] = message.varint()?,
            DOWNSTREAM_RECEIVED => self.plain.wire_bytes[1] = message.varint()?,
            UPSTREAM_SENT => self.plain.wire_bytes[2] = message.varint()?,
            UPSTREAM_RECEIVED => self.plain.wire_bytes[3] = message.varint()?,
            ACCESS_LOG_TYPE => self.plain.access_log_type = message.int32()?,
            _ => message.skip(tag)?,
        }
        Ok(())
    }

    #[inline]
    fn time(&mut self, index: usize, message: &mut Reader<'a>) -> Result<(), Fault> {
        self.plain.times_ns[index] = nanoseconds(message.message()?)?;
        self.plain.time_out_of_range |= self.plain.times_ns[index].is_none();
        Ok(())
    }

    fn response_flags(&mut self, mut message: Reader<'a>) -> Result<(), Fault> {
        const UNAUTHORIZED_DETAILS: u32 = len(13);
        (self.plain.response_flags, self.plain.unauthorized_reason) = (0, None);
        while let Some(tag) = message.tag()? {
            let field = tag >> 3;
            match tag {
                UNAUTHORIZED_DETAILS => self.plain.unauthorized_reason = Some(reason(message.message()?)?),
                // Field 13 is a message, so a number there is an unknown field.
                _ if tag == varint(field) && field <= 64 && field != 13 => {
                    let bit = 1 << (field - 1);
                    self.plain.response_flags &= !bit;
                    self.plain.response_flags |= if message.bool()? { bit } else { 0 };
                }
                _ => message.skip(tag)?,
            }
        }
        self.plain.response_flags |= u64::from(self.plain.unauthorized_reason.is_some()) << 12;
        Ok(())
    }

    fn metadata(&mut self, mut message: Reader<'a>) -> Result<(), Fault> {
        const FILTER_METADATA: u32 = len(1);
        const TYPED_FILTER_METADATA: u32 = len(2);
        while let Some(tag) = message.tag()? {
            match tag {
                FILTER_METADATA => insert(&mut self.dynamic_metadata, message.message()?)?,
                TYPED_FILTER_METADATA => insert_any(&mut self.typed_dynamic_metadata, message.message()?)?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// Adds an entry of a map of strings.
#[inline]
pub fn insert<'a>(map: &mut Map<'a, &'a [u8]>, entry: Reader<'a>) -> Result<(), Fault> {
    let (key, value) = pair(entry)?;
    map.insert(key, value);
    Ok(())
}

fn insert_any<'a>(map: &mut Map<'a, Any<'a>>, entry: Reader<'a>) -> Result<(), Fault> {
    let (key, value) = pair(entry)?;
    map.insert(key, any(value)?);
    Ok(())
}

/// ResponseFlags.Unauthorized.
fn reason(mut message: Reader) -> Result<i32, Fault> {
    const REASON: u32 = varint(1);
    let mut reason = 0;
    while let Some(tag) = message.tag()? {
        match tag {
            REASON => reason = message.int32()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(reason)
}

const SAMPLE_RATE: u32 = double(1);
const DOWNSTREAM_REMOTE: u32 = len(2);
const DOWNSTREAM_LOCAL: u32 = len(3);
const TLS_PROPERTIES: u32 = len(4);
const START_TIME: u32 = len(5);
const LAST_RX: u32 = len(6);
const FIRST_UPSTREAM_TX: u32 = len(7);
const LAST_UPSTREAM_TX: u32 = len(8);
const FIRST_UPSTREAM_RX: u32 = len(9);
const LAST_UPSTREAM_RX: u32 = len(10);
const FIRST_DOWNSTREAM_TX: u32 = len(11);
const LAST_DOWNSTREAM_TX: u32 = len(12);
const UPSTREAM_REMOTE: u32 = len(13);
const UPSTREAM_LOCAL: u32 = len(14);
const UPSTREAM_CLUSTER: u32 = len(15);
const RESPONSE_FLAGS: u32 = len(16);
const METADATA: u32 = len(17);
const UPSTREAM_FAILURE: u32 = len(18);
const ROUTE_NAME: u32 = len(19);
const DIRECT_REMOTE: u32 = len(20);
const FILTER_STATE: u32 = len(21);
const CUSTOM_TAGS: u32 = len(22);
const DURATION: u32 = len(23);
const ATTEMPTS: u32 = varint(24);
const TERMINATION_DETAILS: u32 = len(25);
const STREAM_ID: u32 = len(26);
const INTERMEDIATE: u32 = varint(27);
const DOWNSTREAM_FAILURE: u32 = len(28);
const DOWNSTREAM_SENT: u32 = varint(29);
const DOWNSTREAM_RECEIVED: u32 = varint(30);
const UPSTREAM_SENT: u32 = varint(31);
const UPSTREAM_RECEIVED: u32 = varint(32);
const ACCESS_LOG_TYPE: u32 = varint(33);
