//! Envoy's access logs (`envoy.service.accesslog.v3`) and metrics ([`metrics`]) from wire bytes to Arrow columns.
//!
//! The table is described in docs/columns.md. Fields are read by hand and by number, following
//! `envoy/data/accesslog/v3/accesslog.proto`: a general protobuf library would make objects of them first, which costs
//! more than all the rest.

mod address;
mod column;
mod columns;
mod common;
mod common_columns;
mod decoder;
mod dictionary;
mod entry;
mod http;
mod http_columns;
mod identifier;
mod json;
mod lists;
mod maps;
pub mod metrics;
mod table;
mod text;
mod time;
mod tls;
mod tls_columns;
mod wire;

pub use columns::Asked;
pub use decoder::{Decoded, Decoder, MAX_BYTES, Rejected, Repaired};
pub use identifier::{Identifier, inspect};
