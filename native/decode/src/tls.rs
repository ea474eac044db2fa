//! Reads envoy.data.accesslog.v3.TLSProperties, once per distinct bytes.
//!
//! They say the same for all requests of a connection, and nearly the same for all connections between two workloads.

use crate::wire::{Fault, Reader, len, varint};
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::collections::HashMap;

/// TLSProperties, strings not yet known to be UTF-8.
#[derive(Clone, Debug, Default)]
pub struct Tls<'a> {
    /// 1
    pub version: i32,
    /// 2
    pub cipher_suite: Option<u32>,
    /// 3
    pub sni_hostname: &'a [u8],
    /// 4
    pub local: Certificate<'a>,
    /// 5
    pub peer: Certificate<'a>,
    /// 6
    pub session_id: &'a [u8],
    /// 7
    pub ja3_fingerprint: &'a [u8],
}

/// CertificateProperties.
#[derive(Clone, Debug, Default)]
pub struct Certificate<'a> {
    /// 1, the URIs, joined by commas
    pub uri_sans: Cow<'a, [u8]>,
    /// 1, the DNS names, joined by commas
    pub dns_sans: Cow<'a, [u8]>,
    /// 2
    pub subject: &'a [u8],
    /// 3
    pub issuer: &'a [u8],
}

/// The distinct TLSProperties of a batch.
#[derive(Default)]
pub struct Memory<'a> {
    numbers: HashMap<&'a [u8], u32, RandomState>,
    distinct: Vec<Tls<'a>>,
}

impl<'a> Memory<'a> {
    /// The number of these properties in [`Memory::distinct`].
    pub fn number(&mut self, bytes: &'a [u8]) -> Result<u32, Fault> {
        if let Some(&number) = self.numbers.get(bytes) {
            return Ok(number);
        }
        let number = self.distinct.len() as u32;
        self.distinct.push(tls(Reader::new(bytes))?);
        self.numbers.insert(bytes, number);
        Ok(number)
    }

    /// All that were read, those of rejected entries too.
    pub fn distinct(&self) -> &[Tls<'a>] {
        &self.distinct
    }
}

fn tls<'a>(mut message: Reader<'a>) -> Result<Tls<'a>, Fault> {
    const VERSION: u32 = varint(1);
    const CIPHER_SUITE: u32 = len(2);
    const SNI_HOSTNAME: u32 = len(3);
    const LOCAL: u32 = len(4);
    const PEER: u32 = len(5);
    const SESSION_ID: u32 = len(6);
    const JA3_FINGERPRINT: u32 = len(7);
    let mut tls = Tls::default();
    while let Some(tag) = message.tag()? {
        match tag {
            VERSION => tls.version = message.int32()?,
            CIPHER_SUITE => tls.cipher_suite = Some(wrapped_uint32(message.message()?)?),
            SNI_HOSTNAME => tls.sni_hostname = message.bytes()?,
            LOCAL => tls.local = certificate(message.message()?)?,
            PEER => tls.peer = certificate(message.message()?)?,
            SESSION_ID => tls.session_id = message.bytes()?,
            JA3_FINGERPRINT => tls.ja3_fingerprint = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(tls)
}

fn certificate<'a>(mut message: Reader<'a>) -> Result<Certificate<'a>, Fault> {
    const SUBJECT_ALT_NAME: u32 = len(1);
    const SUBJECT: u32 = len(2);
    const ISSUER: u32 = len(3);
    let mut certificate = Certificate::default();
    let (mut uris, mut names) = (vec![], vec![]);
    while let Some(tag) = message.tag()? {
        match tag {
            SUBJECT_ALT_NAME => match alternative_name(message.message()?)? {
                Some(Name::Uri(uri)) => uris.push(uri),
                Some(Name::Dns(name)) => names.push(name),
                None => {}
            },
            SUBJECT => certificate.subject = message.bytes()?,
            ISSUER => certificate.issuer = message.bytes()?,
            _ => message.skip(tag)?,
        }
    }
    certificate.uri_sans = joined(&uris);
    certificate.dns_sans = joined(&names);
    Ok(certificate)
}

enum Name<'a> {
    Uri(&'a [u8]),
    Dns(&'a [u8]),
}

fn alternative_name<'a>(mut message: Reader<'a>) -> Result<Option<Name<'a>>, Fault> {
    const URI: u32 = len(1);
    const DNS: u32 = len(2);
    let mut name = None;
    while let Some(tag) = message.tag()? {
        match tag {
            URI => name = Some(Name::Uri(message.bytes()?)),
            DNS => name = Some(Name::Dns(message.bytes()?)),
            _ => message.skip(tag)?,
        }
    }
    Ok(name)
}

fn joined<'a>(names: &[&'a [u8]]) -> Cow<'a, [u8]> {
    match names {
        [] => Cow::Borrowed(&[]),
        [name] => Cow::Borrowed(name),
        names => Cow::Owned(names.join(&b','))
    }
}

/// google.protobuf.UInt32Value.
pub fn wrapped_uint32(mut message: Reader) -> Result<u32, Fault> {
    const VALUE: u32 = varint(1);
    let mut value = 0;
    while let Some(tag) = message.tag()? {
        match tag {
            VALUE => value = message.uint32()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(value)
}
