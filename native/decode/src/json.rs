//! Writes google.protobuf.Struct as JSON, as protobuf's own mapping has it.

use crate::maps::{Map, pair};
use crate::text::text;
use crate::wire::{Fault, MAX_DEPTH, Reader, double, len, varint};

const FIELDS: u32 = len(1);
const VALUES: u32 = len(1);

const NULL: u32 = varint(1);
const NUMBER: u32 = double(2);
const STRING: u32 = len(3);
const BOOL: u32 = varint(4);
const STRUCT: u32 = len(5);
const LIST: u32 = len(6);

/// google.protobuf.Value, opened by one level.
#[derive(Clone, Copy)]
enum Value<'a> {
    Null,
    Number(f64),
    String(&'a [u8]),
    Bool(bool),
    Struct(&'a [u8]),
    List(&'a [u8]),
}

/// JSON in the making.
#[derive(Debug, Default)]
pub struct Json {
    /// What is written so far: UTF-8.
    pub bytes: Vec<u8>,
    /// Something was not UTF-8, and was replaced.
    pub repaired: bool,
    /// Something lay deeper than [`MAX_DEPTH`] and became null.
    pub too_deep: bool,
}

impl Json {
    /// Makes ready for the next value; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.repaired, self.too_deep) = (false, false);
    }

    /// Writes a Struct as an object.
    pub fn write_struct(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.object(message, MAX_DEPTH)
    }

    /// Writes a `map<string, Struct>` as an object of objects.
    pub fn write_structs(&mut self, map: &Map<&[u8]>) -> Result<(), Fault> {
        self.between(b'{', b'}', map.iter(), |json, (key, message)| {
            json.key(key);
            json.object(message, MAX_DEPTH)
        })
    }

    fn object(&mut self, message: &[u8], depth: u32) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else { return self.cut() };
        let mut fields = Map::default();
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            if tag == FIELDS {
                let (key, value) = pair(reader.message()?)?;
                fields.insert(key, value);
            } else {
                reader.skip(tag)?;
            }
        }
        self.between(b'{', b'}', fields, |json, (key, value)| {
            json.key(key);
            json.value(value, depth)
        })
    }

    fn list(&mut self, message: &[u8], depth: u32) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else { return self.cut() };
        let mut values = vec![];
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            if tag == VALUES {
                values.push(reader.bytes()?);
            } else {
                reader.skip(tag)?;
            }
        }
        self.between(b'[', b']', values, |json, value| json.value(value, depth))
    }

    fn value(&mut self, message: &[u8], depth: u32) -> Result<(), Fault> {
        match kind(Reader::new(message))? {
            Value::Null => self.bytes.extend_from_slice(b"null"),
            Value::Number(number) => self.number(number),
            Value::String(bytes) => self.string(bytes),
            Value::Bool(true) => self.bytes.extend_from_slice(b"true"),
            Value::Bool(false) => self.bytes.extend_from_slice(b"false"),
            Value::Struct(message) => return self.object(message, depth),
            Value::List(message) => return self.list(message, depth),
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), Fault> {
        self.too_deep = true;
        self.bytes.extend_from_slice(b"null");
        Ok(())
    }

    fn key(&mut self, key: &[u8]) {
        self.string(key);
        self.bytes.push(b':');
    }

    fn string(&mut self, bytes: &[u8]) {
        let text = text(bytes, &mut self.repaired);
        serde_json::to_writer(&mut self.bytes, text.as_ref()).expect("memory takes all");
    }

    fn number(&mut self, number: f64) {
        let whole = number as i64;
        // Doubles hold integers exactly up to 2^53; protobuf writes them without a point. -0 stays a double.
        if whole as f64 == number && whole.unsigned_abs() < 1 << 53 && !(whole == 0 && number.is_sign_negative()) {
            serde_json::to_writer(&mut self.bytes, &whole).expect("memory takes all");
        } else if number.is_finite() {
            serde_json::to_writer(&mut self.bytes, &number).expect("memory takes all");
        } else {
            let name = if number.is_nan() {
                "\"NaN\""
            } else if number > 0.0 {
                "\"Infinity\""
            } else {
                "\"-Infinity\""
            };
            self.bytes.extend_from_slice(name.as_bytes());
        }
    }

    fn between<T>(
        &mut self,
        open: u8,
        close: u8,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.bytes.push(open);
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            write(self, item)?;
        }
        self.bytes.push(close);
        Ok(())
    }
}

/// What a Value holds: of several kinds the last, as in every oneof; null when none.
fn kind<'a>(mut value: Reader<'a>) -> Result<Value<'a>, Fault> {
    let mut found = Value::Null;
    while let Some(tag) = value.tag()? {
        found = match tag {
            NULL => value.varint().map(|_| Value::Null)?,
            NUMBER => Value::Number(value.double()?),
            STRING => Value::String(value.bytes()?),
            BOOL => Value::Bool(value.bool()?),
            STRUCT => Value::Struct(value.bytes()?),
            LIST => Value::List(value.bytes()?),
            _ => {
                value.skip(tag)?;
                found
            }
        };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
        let mut length = vec![];
        let mut left = bytes.len();
        while left >= 0x80 {
            length.push(left as u8 | 0x80);
            left >>= 7;
        }
        length.push(left as u8);
        [&[tag as u8], &length[..], bytes].concat()
    }

    fn entry(key: &str, value: &[u8]) -> Vec<u8> {
        field(FIELDS, &[field(len(1), key.as_bytes()), field(len(2), value)].concat())
    }

    fn number(value: f64) -> Vec<u8> {
        [&[NUMBER as u8][..], &value.to_le_bytes()].concat()
    }

    fn written(message: &[u8]) -> String {
        let mut json = Json::default();
        json.write_struct(message).unwrap();
        String::from_utf8(json.bytes).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_written() {
        let message = [
            entry("null", &[NULL as u8, 0]),
            entry("nothing", &[]),
            entry("number", &number(1.5)),
            entry("string", &field(STRING, b"a\"b\n")),
            entry("bool", &[BOOL as u8, 1]),
            entry("struct", &field(STRUCT, &entry("a", &[BOOL as u8, 0]))),
            entry("list", &field(LIST, &[field(VALUES, &number(2.0)), field(VALUES, &[])].concat())),
        ];
        let expected = concat!(
            r#"{"null":null,"nothing":null,"number":1.5,"string":"a\"b\n","bool":true,"#,
            r#""struct":{"a":false},"list":[2,null]}"#
        );
        assert_eq!(written(&message.concat()), expected);
    }

    #[test]
    fn numbers_that_json_lacks_are_strings() {
        let message = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number);
        let fields: Vec<_> = ["a", "b", "c"].iter().zip(&message).flat_map(|(key, value)| entry(key, value)).collect();
        assert_eq!(written(&fields), r#"{"a":"NaN","b":"Infinity","c":"-Infinity"}"#);
    }

    #[test]
    fn large_numbers_stay_short() {
        assert_eq!(written(&entry("a", &number(1e300))), r#"{"a":1e+300}"#);
        assert_eq!(written(&entry("a", &number(-0.0))), r#"{"a":-0.0}"#);
        assert_eq!(written(&entry("a", &number(i64::MIN as f64))), r#"{"a":-9.223372036854776e+18}"#);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_value_wins() {
        let message = [entry("a", &number(1.0)), entry("b", &[]), entry("a", &number(2.0))].concat();
        assert_eq!(written(&message), r#"{"a":2,"b":null}"#);
    }

    #[test]
    fn what_lies_too_deep_becomes_null() {
        let mut message = vec![];
        for _ in 0..100 {
            message = entry("a", &field(STRUCT, &message));
        }
        let mut json = Json::default();
        json.write_struct(&message).unwrap();
        assert!(json.too_deep);
        let depth = MAX_DEPTH as usize;
        let expected = format!("{}null{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(String::from_utf8(json.bytes).unwrap(), expected);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        let mut json = Json::default();
        json.write_struct(&entry("a", &field(STRING, b"\xff"))).unwrap();
        assert!(json.repaired);
        assert_eq!(String::from_utf8(json.bytes).unwrap(), "{\"a\":\"\u{fffd}\"}");
    }

    #[test]
    fn a_struct_cut_short_is_malformed() {
        let message = entry("a", &number(1.0));
        for length in 1..message.len() {
            assert_eq!(Json::default().write_struct(&message[..length]), Err(Fault::Malformed));
        }
    }
}
