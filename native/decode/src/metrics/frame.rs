//! Reads the frame of a message for the receiver, which asks this of every message.

use crate::identifier::Identifier;
use crate::wire::{Fault, Reader, len, varint};

/// The identifier, if there is one, the number of families, and the timestamp of the first metric that has one.
///
/// The last is whether the frame could be read to its end: only then may messages be joined to one.
pub fn inspect(message: &[u8]) -> (Option<Identifier>, usize, Option<i64>, bool) {
    let (mut identifier, mut families, mut timestamp_ms) = (None, 0, None);
    let read = frame(message, &mut identifier, &mut families, &mut timestamp_ms);
    (identifier, families, timestamp_ms, read.is_ok())
}

fn frame(
    message: &[u8],
    identifier: &mut Option<Identifier>,
    families: &mut usize,
    timestamp_ms: &mut Option<i64>,
) -> Result<(), Fault> {
    const IDENTIFIER: u32 = len(1);
    const ENVOY_METRICS: u32 = len(2);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            IDENTIFIER => *identifier = Some(Identifier::read(reader.message()?)),
            ENVOY_METRICS => {
                let family = reader.message()?;
                if timestamp_ms.is_none() {
                    // A broken family is found, and counted, when the message is decoded.
                    *timestamp_ms = family_timestamp_ms(family).unwrap_or(None);
                }
                *families += 1;
            }
            _ => reader.skip(tag)?,
        }
    }
    Ok(())
}

fn family_timestamp_ms(mut family: Reader) -> Result<Option<i64>, Fault> {
    const METRIC: u32 = len(4);
    const TIMESTAMP_MS: u32 = varint(6);
    while let Some(tag) = family.tag()? {
        if tag != METRIC {
            family.skip(tag)?;
            continue;
        }
        let mut metric = family.message()?;
        while let Some(tag) = metric.tag()? {
            match tag {
                TIMESTAMP_MS => return Ok(Some(metric.varint()? as i64)),
                _ => metric.skip(tag)?,
            }
        }
    }
    Ok(None)
}
