//! Reads google.protobuf.Timestamp and Duration as nanoseconds.

use crate::wire::{Fault, Reader, varint};

const SECONDS: u32 = varint(1);
const NANOS: u32 = varint(2);

/// The nanoseconds of a Timestamp (since 1970) or a Duration; `None` when they don't fit into an int64.
///
/// The lowest int64 doesn't count as fitting: NumPy and all that follow it read it as "not a time".
pub fn nanoseconds(mut message: Reader) -> Result<Option<i64>, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some(tag) = message.tag()? {
        match tag {
            SECONDS => seconds = message.varint()? as i64,
            NANOS => nanos = message.int32()?,
            _ => message.skip(tag)?,
        }
    }
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(i64::try_from(total).ok().filter(|&ns| ns != i64::MIN))
}
