//! Reads envoy.data.accesslog.v3.TLSProperties, once per distinct bytes.
//!
//! They say the same for all requests of a connection, and nearly the same for all connections between two workloads.

use crate::text::text;
use crate::wire::{Fault, Reader, len, varint};
use foldhash::fast::RandomState;
use std::borrow::Cow;
use std::collections::HashMap;

/// TLSProperties.
#[derive(Clone, Debug, Default)]
pub struct Tls<'a> {
    /// 1
    pub version: i32,
    /// 2
    pub cipher_suite: Option<u32>,
    /// 3
    pub sni_hostname: Cow<'a, str>,
    /// 4
    pub local: Certificate<'a>,
    /// 5
    pub peer: Certificate<'a>,
    /// 6
    pub session_id: Cow<'a, str>,
    /// 7
    pub ja3_fingerprint: Cow<'a, str>,
    /// Something was not UTF-8, and was replaced.
    pub repaired: bool,
}

/// CertificateProperties.
#[derive(Clone, Debug, Default)]
pub struct Certificate<'a> {
    /// 1, the URIs, joined by commas
    pub uri_sans: Cow<'a, str>,
    /// 1, the DNS names, joined by commas
    pub dns_sans: Cow<'a, str>,
    /// 2
    pub subject: Cow<'a, str>,
    /// 3
    pub issuer: Cow<'a, str>,
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
            SNI_HOSTNAME => tls.sni_hostname = text(message.bytes()?, &mut tls.repaired),
            LOCAL => tls.local = certificate(message.message()?, &mut tls.repaired)?,
            PEER => tls.peer = certificate(message.message()?, &mut tls.repaired)?,
            SESSION_ID => tls.session_id = text(message.bytes()?, &mut tls.repaired),
            JA3_FINGERPRINT => tls.ja3_fingerprint = text(message.bytes()?, &mut tls.repaired),
            _ => message.skip(tag)?,
        }
    }
    Ok(tls)
}

fn certificate<'a>(mut message: Reader<'a>, repaired: &mut bool) -> Result<Certificate<'a>, Fault> {
    const SUBJECT_ALT_NAME: u32 = len(1);
    const SUBJECT: u32 = len(2);
    const ISSUER: u32 = len(3);
    let mut certificate = Certificate::default();
    let (mut uris, mut names) = (vec![], vec![]);
    while let Some(tag) = message.tag()? {
        match tag {
            SUBJECT_ALT_NAME => match alternative_name(message.message()?, repaired)? {
                Some(Name::Uri(uri)) => uris.push(uri),
                Some(Name::Dns(name)) => names.push(name),
                None => {}
            },
            SUBJECT => certificate.subject = text(message.bytes()?, repaired),
            ISSUER => certificate.issuer = text(message.bytes()?, repaired),
            _ => message.skip(tag)?,
        }
    }
    certificate.uri_sans = joined(uris);
    certificate.dns_sans = joined(names);
    Ok(certificate)
}

enum Name<'a> {
    Uri(Cow<'a, str>),
    Dns(Cow<'a, str>),
}

fn alternative_name<'a>(mut message: Reader<'a>, repaired: &mut bool) -> Result<Option<Name<'a>>, Fault> {
    const URI: u32 = len(1);
    const DNS: u32 = len(2);
    let mut name = None;
    while let Some(tag) = message.tag()? {
        match tag {
            URI => name = Some(Name::Uri(text(message.bytes()?, repaired))),
            DNS => name = Some(Name::Dns(text(message.bytes()?, repaired))),
            _ => message.skip(tag)?,
        }
    }
    Ok(name)
}

fn joined(mut names: Vec<Cow<str>>) -> Cow<str> {
    if names.len() > 1 { Cow::Owned(names.join(",")) } else { names.pop().unwrap_or_default() }
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
