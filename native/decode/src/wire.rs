//! Reads protobuf's wire format: tags, varints, lengths; borrowed, bounds-checked, never panicking.

/// How many messages, groups or JSON values may lie within each other. Envoy nests about ten deep.
pub const MAX_DEPTH: u32 = 32;

/// Why bytes can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Cut short, an endless varint, or a tag that protobuf doesn't have.
    Malformed,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LEN: u32 = 2;
const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
const FIXED32: u32 = 5;

/// The tag of a field that holds a number or an enum value.
///
/// A reader matches on whole tags, so a known field with another wire type counts as unknown, as in protobuf.
pub const fn varint(field: u32) -> u32 {
    field << 3 | VARINT
}

/// The tag of a field that holds a double.
pub const fn double(field: u32) -> u32 {
    field << 3 | FIXED64
}

/// The tag of a field that holds a string, bytes or a message.
pub const fn len(field: u32) -> u32 {
    field << 3 | LEN
}

/// What is left to read of one message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first field.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's tag; `None` at the end.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<u32>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| Fault::Malformed)?;
        // Protobuf has no field 0.
        if tag < 8 { Err(Fault::Malformed) } else { Ok(Some(tag)) }
    }

    /// A varint; bits beyond the 64th are dropped, as protobuf does.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Fault> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }

    /// A bool: any number but 0.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, Fault> {
        Ok(self.varint()? != 0)
    }

    /// A uint32: the low half of what is there, as protobuf does.
    #[inline]
    pub fn uint32(&mut self) -> Result<u32, Fault> {
        Ok(self.varint()? as u32)
    }

    /// An int32 or an enum value, which may be one that our proto doesn't know yet.
    #[inline]
    pub fn int32(&mut self) -> Result<i32, Fault> {
        Ok(self.varint()? as i32)
    }

    /// A double.
    #[inline]
    pub fn double(&mut self) -> Result<f64, Fault> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// The bytes of a string or a message.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| Fault::Malformed)?;
        self.take(length)
    }

    /// A message within this one.
    #[inline]
    pub fn message(&mut self) -> Result<Reader<'a>, Fault> {
        Ok(Reader::new(self.bytes()?))
    }

    /// Passes over a field that nobody asked for.
    #[cold]
    pub fn skip(&mut self, tag: u32) -> Result<(), Fault> {
        self.skip_nested(tag, MAX_DEPTH)
    }

    fn skip_nested(&mut self, tag: u32, depth: u32) -> Result<(), Fault> {
        match tag & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.take(8).map(drop),
            LEN => self.bytes().map(drop),
            FIXED32 => self.take(4).map(drop),
            START_GROUP => self.skip_group(tag >> 3, depth.checked_sub(1).ok_or(Fault::TooDeep)?),
            _ => Err(Fault::Malformed),
        }
    }

    fn skip_group(&mut self, field: u32, depth: u32) -> Result<(), Fault> {
        let end = field << 3 | END_GROUP;
        loop {
            match self.tag()?.ok_or(Fault::Malformed)? {
                tag if tag == end => return Ok(()),
                tag => self.skip_nested(tag, depth)?,
            }
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(depth: usize) -> Vec<u8> {
        [vec![0x0b; depth], vec![0x0c; depth]].concat()
    }

    fn skip_all(bytes: &[u8]) -> Result<(), Fault> {
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            reader.skip(tag)?;
        }
        Ok(())
    }

    #[test]
    fn varints_of_every_length_are_read() {
        for shift in 0..64 {
            let value = 0x5555_5555_5555_5555_u64 >> shift;
            let (mut bytes, mut left) = (vec![], value);
            while left >= 0x80 {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
            // With more behind it, it is read another way.
            bytes.extend([0xff; 8]);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.varint(), reader.rest.len()), (Ok(value), 8));
        }
    }

    #[test]
    fn a_varint_of_more_than_ten_bytes_is_malformed() {
        assert_eq!(Reader::new(&[0x80; 11]).varint(), Err(Fault::Malformed));
    }

    #[test]
    fn a_varint_cut_short_is_malformed() {
        for length in 0..10 {
            assert_eq!(Reader::new(&vec![0xff; length]).varint(), Err(Fault::Malformed));
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_malformed() {
        assert_eq!(Reader::new(&[5, 1, 2]).bytes(), Err(Fault::Malformed));
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&huge).bytes(), Err(Fault::Malformed));
    }

    #[test]
    fn field_zero_is_malformed() {
        assert_eq!(Reader::new(&[0x00]).tag(), Err(Fault::Malformed));
    }

    #[test]
    fn a_tag_wider_than_32_bits_is_malformed() {
        assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).tag(), Err(Fault::Malformed));
    }

    #[test]
    fn every_wire_type_can_be_skipped() {
        let fields = [
            &[0x08, 0x96, 0x01][..],
            &[0x09, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x0a, 1, 0],
            &[0x0b, 0x10, 0x01, 0x0c],
            &[0x0d, 0, 0, 0, 0],
        ];
        assert_eq!(skip_all(&fields.concat()), Ok(()));
    }

    #[test]
    fn groups_may_nest_only_so_deep() {
        assert_eq!(skip_all(&group(MAX_DEPTH as usize)), Ok(()));
        assert_eq!(skip_all(&group(MAX_DEPTH as usize + 1)), Err(Fault::TooDeep));
        assert_eq!(skip_all(&[0x0b; 1_000_000]), Err(Fault::TooDeep));
    }

    #[test]
    fn a_group_must_end_as_it_began() {
        assert_eq!(skip_all(&[0x0b, 0x14]), Err(Fault::Malformed));
        assert_eq!(skip_all(&[0x0b]), Err(Fault::Malformed));
        assert_eq!(skip_all(&[0x0c]), Err(Fault::Malformed));
    }
}
