//! Any bytes can be decoded as metrics, good messages next to them stay as they are, and no two stats share a number.
#![no_main]

use access_log_decode::metrics::{Decoder, Names, inspect};
use arrow_array::Array;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

/// A counter `a` of 0.
const GOOD: &[u8] = &[0x12, 9, 0x0a, 1, b'a', 0x18, 0, 0x22, 2, 0x1a, 0];

fuzz_target!(|message: &[u8]| {
    let mut names = Names::new(8);
    let mut decoder = Decoder::new(&mut names);
    decoder.add(GOOD, 0);
    decoder.add(message, 0);
    decoder.add(GOOD, 0);
    let decoded = decoder.finish().expect("columns of equal length");
    assert!(decoded.numbers.num_rows() >= 2 && decoded.timestamps_ms.len() == 3);
    for column in [&decoded.numbers, &decoded.histograms, &decoded.summaries].into_iter().flat_map(|t| t.columns()) {
        column.to_data().validate_full().expect("Arrow's own rules hold");
    }
    let (stats, _) = names.take_fresh();
    let numbers: HashSet<u32> = stats.iter().map(|stat| stat.number).collect();
    assert!(numbers.len() == stats.len() && stats.len() == names.len() && names.len() <= 8);
    names.forget(&numbers.into_iter().collect::<Vec<_>>());
    assert!(names.is_empty());
    let (_, families, _, whole) = inspect(message);
    assert!(families <= message.len() && (!whole || decoded.rejected.malformed_message == 0));
});
