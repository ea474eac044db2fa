//! Reads protobuf's maps, which are repeated messages of a key and a value.

use crate::wire::{Fault, Reader, len};
use foldhash::fast::RandomState;
use indexmap::IndexMap;

/// A map in the order of the wire; of a key that comes twice the last value stays, at the first one's place.
pub type Map<'a, V> = IndexMap<&'a [u8], V, RandomState>;

/// Empties a map and keeps its memory, unless that is much: emptying takes time in proportion to it.
#[inline]
pub fn clear<V>(map: &mut Map<V>) {
    const USUAL: usize = 1024;
    if map.capacity() > USUAL {
        *map = Map::default();
    } else {
        map.clear();
    }
}

const KEY: u32 = len(1);
const VALUE: u32 = len(2);

/// One `map<string, string>` or `map<string, message>` entry; what is absent is empty.
pub fn pair<'a>(mut entry: Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let (mut key, mut value) = (&[][..], &[][..]);
    while let Some(tag) = entry.tag()? {
        match tag {
            KEY => key = entry.bytes()?,
            VALUE => value = entry.bytes()?,
            _ => entry.skip(tag)?,
        }
    }
    Ok((key, value))
}

/// A google.protobuf.Any, unopened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Any<'a> {
    /// All its bytes, as they came.
    pub serialised: &'a [u8],
    /// 1
    pub type_url: &'a [u8],
    /// 2
    pub value: &'a [u8],
}

/// Reads an Any, which has the wire form of a map's entry.
pub fn any(serialised: &[u8]) -> Result<Any<'_>, Fault> {
    let (type_url, value) = pair(Reader::new(serialised))?;
    Ok(Any { serialised, type_url, value })
}
