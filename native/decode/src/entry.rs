//! Reads one access log entry completely, before anything of it reaches a column.
//!
//! A malformed entry is thereby left out without a trace. Where a message that should come once comes twice, the last
//! one counts; protobuf would merge them, but Envoy never writes such.

use crate::common::Common;
use crate::http::{Request, Response};
use crate::tls;
use crate::wire::{Fault, Reader, len, varint};

/// Why an entry, or the rest of a message, was kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its bytes are not protobuf.
    Malformed,
    /// Nested deeper than [`crate::wire::MAX_DEPTH`].
    TooDeep,
    /// Without common properties nobody can say when, where and to whom it happened.
    NoCommonProperties,
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::Malformed,
            Fault::TooDeep => Self::TooDeep,
        }
    }
}

/// TCPAccessLogEntry.connection_properties.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// 1
    pub received_bytes: u64,
    /// 2
    pub sent_bytes: u64,
}

/// An HTTPAccessLogEntry or a TCPAccessLogEntry, borrowed from the message.
#[derive(Default)]
pub struct Entry<'a> {
    /// Which of the two it is.
    pub tcp: bool,
    /// 1
    pub common: Common<'a>,
    /// TCP: 2
    pub connection: Option<Connection>,
    /// HTTP: 2
    pub protocol_version: i32,
    /// HTTP: 3 is there
    pub has_request: bool,
    /// HTTP: 3
    pub request: Request<'a>,
    /// HTTP: 4 is there
    pub has_response: bool,
    /// HTTP: 4
    pub response: Response<'a>,
}

const COMMON: u32 = len(1);

impl<'a> Entry<'a> {
    /// Reads an HTTPAccessLogEntry in the place of the last one.
    pub fn read_http(&mut self, mut message: Reader<'a>, tls: &mut tls::Memory<'a>) -> Result<(), Rejection> {
        const PROTOCOL_VERSION: u32 = varint(2);
        const REQUEST: u32 = len(3);
        const RESPONSE: u32 = len(4);
        let mut has_common = false;
        self.clear(false);
        while let Some(tag) = message.tag()? {
            match tag {
                COMMON => has_common = self.read_common(message.message()?, tls)?,
                PROTOCOL_VERSION => self.protocol_version = message.int32()?,
                REQUEST => {
                    self.request.clear();
                    self.request.read(message.message()?)?;
                    self.has_request = true;
                }
                RESPONSE => {
                    self.response.clear();
                    self.response.read(message.message()?)?;
                    self.has_response = true;
                }
                _ => message.skip(tag)?,
            }
        }
        if has_common { Ok(()) } else { Err(Rejection::NoCommonProperties) }
    }

    /// Reads a TCPAccessLogEntry in the place of the last one.
    pub fn read_tcp(&mut self, mut message: Reader<'a>, tls: &mut tls::Memory<'a>) -> Result<(), Rejection> {
        const CONNECTION: u32 = len(2);
        let mut has_common = false;
        self.clear(true);
        while let Some(tag) = message.tag()? {
            match tag {
                COMMON => has_common = self.read_common(message.message()?, tls)?,
                CONNECTION => self.connection = Some(connection(message.message()?)?),
                _ => message.skip(tag)?,
            }
        }
        if has_common { Ok(()) } else { Err(Rejection::NoCommonProperties) }
    }

    fn clear(&mut self, tcp: bool) {
        (self.tcp, self.connection, self.protocol_version) = (tcp, None, 0);
        (self.has_request, self.has_response) = (false, false);
    }

    fn read_common(&mut self, message: Reader<'a>, tls: &mut tls::Memory<'a>) -> Result<bool, Fault> {
        self.common.clear();
        self.common.read(message, tls)?;
        Ok(true)
    }
}

fn connection(mut message: Reader) -> Result<Connection, Fault> {
    const RECEIVED_BYTES: u32 = varint(1);
    const SENT_BYTES: u32 = varint(2);
    let mut connection = Connection::default();
    while let Some(tag) = message.tag()? {
        match tag {
            RECEIVED_BYTES => connection.received_bytes = message.varint()?,
            SENT_BYTES => connection.sent_bytes = message.varint()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(connection)
}
