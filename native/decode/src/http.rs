//! Reads envoy.data.accesslog.v3.HTTPRequestProperties and HTTPResponseProperties.

use crate::common::insert;
use crate::maps::{Map, clear};
use crate::tls::wrapped_uint32;
use crate::wire::{Fault, Reader, len, varint};

/// The columns of [`Request::target`].
pub const TARGET: [&str; 2] = ["scheme", "authority"];
/// The columns of [`Request::texts`].
pub const REQUEST_TEXTS: [&str; 6] = ["path", "user_agent", "referer", "forwarded_for", "request_id", "original_path"];
/// The columns of [`Request::sizes_bytes`].
pub const REQUEST_SIZES: [&str; 4] =
    ["request_headers_bytes", "request_body_bytes", "upstream_header_bytes_sent", "downstream_header_bytes_received"];
/// The columns of [`Response::sizes_bytes`].
pub const RESPONSE_SIZES: [&str; 4] =
    ["response_headers_bytes", "response_body_bytes", "upstream_header_bytes_received", "downstream_header_bytes_sent"];

/// HTTPRequestProperties with borrowed strings, which are not yet known to be UTF-8; empty means absent.
#[derive(Default)]
pub struct Request<'a> {
    /// 1
    pub method: i32,
    /// 2, 3
    pub target: [&'a [u8]; 2],
    /// 4
    pub port: Option<u32>,
    /// 5–10
    pub texts: [&'a [u8]; 6],
    /// 11, 12, 14, 15
    pub sizes_bytes: [u64; 4],
    /// 13
    pub headers: Map<'a, &'a [u8]>,
}

impl<'a> Request<'a> {
    /// Forgets the last entry; the memory stays.
    pub fn clear(&mut self) {
        clear(&mut self.headers);
        (self.method, self.target, self.port) = Default::default();
        (self.texts, self.sizes_bytes) = Default::default();
    }

    /// Reads all fields.
    pub fn read(&mut self, mut message: Reader<'a>) -> Result<(), Fault> {
        while let Some(tag) = message.tag()? {
            match tag {
                METHOD => self.method = message.int32()?,
                SCHEME => self.target[0] = message.bytes()?,
                AUTHORITY => self.target[1] = message.bytes()?,
                PORT => self.port = Some(wrapped_uint32(message.message()?)?),
                PATH => self.texts[0] = message.bytes()?,
                USER_AGENT => self.texts[1] = message.bytes()?,
                REFERER => self.texts[2] = message.bytes()?,
                FORWARDED_FOR => self.texts[3] = message.bytes()?,
                REQUEST_ID => self.texts[4] = message.bytes()?,
                ORIGINAL_PATH => self.texts[5] = message.bytes()?,
                HEADERS_BYTES => self.sizes_bytes[0] = message.varint()?,
                BODY_BYTES => self.sizes_bytes[1] = message.varint()?,
                UPSTREAM_SENT => self.sizes_bytes[2] = message.varint()?,
                DOWNSTREAM_RECEIVED => self.sizes_bytes[3] = message.varint()?,
                HEADERS => insert(&mut self.headers, message.message()?)?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }
}

/// HTTPResponseProperties with borrowed strings, which are not yet known to be UTF-8; empty means absent.
#[derive(Default)]
pub struct Response<'a> {
    /// 1
    pub code: Option<u32>,
    /// 2, 3, 7, 8
    pub sizes_bytes: [u64; 4],
    /// 4
    pub headers: Map<'a, &'a [u8]>,
    /// 5
    pub trailers: Map<'a, &'a [u8]>,
    /// 6
    pub code_details: &'a [u8],
}

impl<'a> Response<'a> {
    /// Forgets the last entry; the memory stays.
    pub fn clear(&mut self) {
        clear(&mut self.headers);
        clear(&mut self.trailers);
        (self.code, self.sizes_bytes, self.code_details) = Default::default();
    }

    /// Reads all fields.
    pub fn read(&mut self, mut message: Reader<'a>) -> Result<(), Fault> {
        while let Some(tag) = message.tag()? {
            match tag {
                CODE => self.code = Some(wrapped_uint32(message.message()?)?),
                RESPONSE_HEADERS_BYTES => self.sizes_bytes[0] = message.varint()?,
                RESPONSE_BODY_BYTES => self.sizes_bytes[1] = message.varint()?,
                UPSTREAM_RECEIVED => self.sizes_bytes[2] = message.varint()?,
                DOWNSTREAM_SENT => self.sizes_bytes[3] = message.varint()?,
                RESPONSE_HEADERS => insert(&mut self.headers, message.message()?)?,
                RESPONSE_TRAILERS => insert(&mut self.trailers, message.message()?)?,
                CODE_DETAILS => self.code_details = message.bytes()?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }
}

const METHOD: u32 = varint(1);
const SCHEME: u32 = len(2);
const AUTHORITY: u32 = len(3);
const PORT: u32 = len(4);
const PATH: u32 = len(5);
const USER_AGENT: u32 = len(6);
const REFERER: u32 = len(7);
const FORWARDED_FOR: u32 = len(8);
const REQUEST_ID: u32 = len(9);
const ORIGINAL_PATH: u32 = len(10);
const HEADERS_BYTES: u32 = varint(11);
const BODY_BYTES: u32 = varint(12);
const HEADERS: u32 = len(13);
const UPSTREAM_SENT: u32 = varint(14);
const DOWNSTREAM_RECEIVED: u32 = varint(15);

const CODE: u32 = len(1);
const RESPONSE_HEADERS_BYTES: u32 = varint(2);
const RESPONSE_BODY_BYTES: u32 = varint(3);
const RESPONSE_HEADERS: u32 = len(4);
const RESPONSE_TRAILERS: u32 = len(5);
const CODE_DETAILS: u32 = len(6);
const UPSTREAM_RECEIVED: u32 = varint(7);
const DOWNSTREAM_SENT: u32 = varint(8);
