//! Any bytes can be decoded, and a good message next to them stays as it is.
#![no_main]

use access_log_decode::{Asked, Decoder, inspect};
use arrow_array::Array;
use libfuzzer_sys::fuzz_target;

/// An HTTP entry with empty common properties.
const GOOD: &[u8] = &[0x12, 4, 0x0a, 2, 0x0a, 0];

fuzz_target!(|message: &[u8]| {
    let names = vec!["a".to_owned(), "traceparent".to_owned()];
    let asked = Asked {
        request_headers: names.clone(),
        response_headers: names.clone(),
        response_trailers: names.clone(),
        filter_state: names,
    };
    let mut decoder = Decoder::new(&asked);
    decoder.add(GOOD, 1);
    decoder.add(message, 2);
    decoder.add(GOOD, 3);
    let decoded = decoder.finish().expect("columns of equal length");
    let (entries, rejected) = (inspect(message).1 as u64, decoded.rejected);
    let rows = decoded.rows.num_rows() as u64 - 2;
    let left_out = rejected.malformed_entry + rejected.no_common_properties;
    assert!(rows + left_out <= entries && entries <= rows + left_out + rejected.too_deep);
    assert!(decoded.repaired.invalid_utf8 <= rows && decoded.repaired.time_out_of_range <= rows);
    for column in decoded.rows.columns() {
        column.to_data().validate_full().expect("Arrow's own rules hold");
    }
});
