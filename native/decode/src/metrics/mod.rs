//! Envoy's metrics (`envoy.service.metrics.v3`) from wire bytes to Arrow columns.
//!
//! Fields are read by number, following `io/prometheus/client/metrics.proto`. Names and labels never become columns:
//! each distinct stat gets a number that outlives the call, so that whoever reads the table works once per stat.

mod decoder;
mod exponential;
mod frame;
mod metric;
mod names;
mod rows;

pub use decoder::{Decoded, Decoder, Rejected, Repaired};
pub use frame::inspect;
pub use metric::Kind;
pub use names::{Names, Stat};
