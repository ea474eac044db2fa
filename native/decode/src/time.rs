//! Reads google.protobuf.Timestamp and Duration as nanoseconds.

use crate::wire::{Fault, Reader, varint};

const SECONDS: u32 = varint(1);
const NANOS: u32 = varint(2);

/// The nanoseconds of a Timestamp (since 1970) or a Duration; `None` when they don't fit into an int64.
///
/// The lowest int64 doesn't count as fitting: NumPy and all that follow it read it as "not a time".
pub fn nanoseconds(mut message: Reader) -> Result<Option<i64>, Fault> {
    let (mut seconds, mut nanos) = (0_i64, 0);
    while let Some(tag) = message.tag()? {
        match tag {
            SECONDS => seconds = message.varint()? as i64,
            NANOS => nanos = message.int32()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(match seconds {
        // Until the year 2242 nothing can overflow.
        -0x2_0000_0000..=0x1_ffff_ffff => Some(seconds * 1_000_000_000 + i64::from(nanos)),
        _ => wide(seconds, nanos),
    })
}

#[cold]
fn wide(seconds: i64, nanos: i32) -> Option<i64> {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(total).ok().filter(|&ns| ns != i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<i64> {
        nanoseconds(Reader::new(bytes)).unwrap()
    }

    #[test]
    fn seconds_and_nanos_are_added() {
        assert_eq!(read(&[0x08, 2, 0x10, 3]), Some(2_000_000_003));
        assert_eq!(read(&[]), Some(0));
    }

    #[test]
    fn what_int64_cannot_hold_is_none() {
        assert_eq!(wide(i64::MAX, 0), None);
        assert_eq!(wide(9_223_372_036, 854_775_807), Some(i64::MAX));
        assert_eq!(wide(9_223_372_036, 854_775_808), None);
        assert_eq!(wide(-9_223_372_036, -854_775_807), Some(-i64::MAX));
        assert_eq!(wide(-9_223_372_036, -854_775_808), None);
    }
}
