//! Any bytes can be inspected, and metadata is always JSON.
#![no_main]

use access_log_decode::inspect;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let (Some(identifier), _) = inspect(message) {
        let text = str::from_utf8(&identifier.metadata_json).expect("UTF-8");
        assert!(text.starts_with('{') && text.ends_with('}'));
        serde_json::from_str::<serde::de::IgnoredAny>(text).expect("JSON");
    }
});
