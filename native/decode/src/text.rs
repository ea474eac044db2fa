//! Makes text of bytes that should be UTF-8, and notices when they aren't.

use std::borrow::Cow;
use std::str;

/// The bytes as text, what is not UTF-8 replaced by U+FFFD; `repaired` is set when something was.
#[inline]
pub fn text<'a>(bytes: &'a [u8], repaired: &mut bool) -> Cow<'a, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            *repaired = true;
            String::from_utf8_lossy(bytes)
        }
    }
}
