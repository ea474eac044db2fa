//! Reads envoy.config.core.v3.Address.

use crate::wire::{Fault, Reader, len, varint};
use std::borrow::Cow;

const SOCKET: u32 = len(1);
const PIPE: u32 = len(2);
const INTERNAL: u32 = len(3);

/// An address as the formatters of Envoy's text logs would put it, the port apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Address<'a> {
    /// Host, path of a pipe, or `envoy://<listener>/<endpoint id>`; not yet known to be UTF-8.
    pub text: Cow<'a, [u8]>,
    /// Null where there is no number.
    pub port: Option<u32>,
}

/// Reads an Address; of several kinds the last counts, as in every oneof.
pub fn address<'a>(mut message: Reader<'a>) -> Result<Address<'a>, Fault> {
    let mut found = Address::default();
    while let Some(tag) = message.tag()? {
        match tag {
            SOCKET => found = socket(message.message()?)?,
            PIPE => found = pipe(message.message()?)?,
            INTERNAL => found = internal(message.message()?)?,
            _ => message.skip(tag)?,
        }
    }
    Ok(found)
}

fn socket<'a>(mut message: Reader<'a>) -> Result<Address<'a>, Fault> {
    const ADDRESS: u32 = len(2);
    const PORT_VALUE: u32 = varint(3);
    const NAMED_PORT: u32 = len(4);
    let (mut host, mut port, mut named) = (&[][..], 0, None);
    while let Some(tag) = message.tag()? {
        match tag {
            ADDRESS => host = message.bytes()?,
            PORT_VALUE => (port, named) = (message.uint32()?, None),
            NAMED_PORT => named = Some(message.bytes()?),
            _ => message.skip(tag)?,
        }
    }
    Ok(match named {
        None => Address { text: Cow::Borrowed(host), port: Some(port) },
        Some(name) => Address { text: Cow::Owned([host, b":", name].concat()), port: None },
    })
}

fn pipe<'a>(mut message: Reader<'a>) -> Result<Address<'a>, Fault> {
    const PATH: u32 = len(1);
    let mut path = &[][..];
    while let Some(tag) = message.tag()? {
        match tag {
            PATH => path = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(Address { text: Cow::Borrowed(path), port: None })
}

fn internal<'a>(mut message: Reader<'a>) -> Result<Address<'a>, Fault> {
    const SERVER_LISTENER_NAME: u32 = len(1);
    const ENDPOINT_ID: u32 = len(2);
    let (mut listener, mut endpoint) = (&[][..], &[][..]);
    while let Some(tag) = message.tag()? {
        match tag {
            SERVER_LISTENER_NAME => listener = message.bytes()?,
            ENDPOINT_ID => endpoint = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(Address { text: Cow::Owned([b"envoy://", listener, b"/", endpoint].concat()), port: None })
}
