//! Metrics, as telemetry/native.pyi says.

use crate::{NodeIdentifier, bounded, counts};
use access_log_decode::metrics::{self, Decoder, Names, Stat};
use arrow_array::RecordBatch;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;
use pyo3_arrow::PyRecordBatch;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The stats known, and their numbers.
#[pyclass(frozen, module = "telemetry.native")]
pub struct StatNames(Mutex<Names>);

impl StatNames {
    fn lock(&self) -> MutexGuard<'_, Names> {
        // What a panic left behind is a table with a stat more or less: still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl StatNames {
    #[new]
    fn new(max_names: usize) -> Self {
        Self(Mutex::new(Names::new(max_names)))
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    fn forget(&self, numbers: Vec<u32>) {
        self.lock().forget(&numbers);
    }
}

/// Number, style, kind, name, labels.
type PyStat = (u32, u8, u8, String, Vec<(String, String)>);

/// What became of some messages.
#[pyclass(frozen, module = "telemetry.native")]
pub struct DecodedMetrics {
    #[pyo3(get)]
    numbers: Py<PyAny>,
    #[pyo3(get)]
    histograms: Py<PyAny>,
    #[pyo3(get)]
    summaries: Py<PyAny>,
    #[pyo3(get)]
    timestamps_ms: Vec<i64>,
    #[pyo3(get)]
    stats: Vec<PyStat>,
    #[pyo3(get)]
    rejected: Py<PyDict>,
    #[pyo3(get)]
    repaired: Py<PyDict>,
}

/// Decode StreamMetricsMessage bytes into tables; see native.pyi.
#[pyfunction]
pub fn decode_metrics(
    py: Python<'_>,
    messages: Vec<PyBackedBytes>,
    styles: Vec<u8>,
    names: &StatNames,
) -> PyResult<DecodedMetrics> {
    if messages.len() != styles.len() {
        let text = format!("{} messages but {} styles: give one style for each message", messages.len(), styles.len());
        return Err(PyValueError::new_err(text));
    }
    bounded(&messages)?;
    let (decoded, stats, invalid_utf8) = py.detach(|| {
        let mut names = names.lock();
        let mut decoder = Decoder::new(&mut names);
        for (message, &style) in messages.iter().zip(&styles) {
            decoder.add(message, style);
        }
        let decoded = decoder.finish();
        let (stats, invalid_utf8) = names.take_fresh();
        (decoded, stats, invalid_utf8)
    });
    let decoded = decoded.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let (rejected, repaired) = (decoded.rejected, decoded.repaired);
    Ok(DecodedMetrics {
        numbers: table(py, decoded.numbers)?,
        histograms: table(py, decoded.histograms)?,
        summaries: table(py, decoded.summaries)?,
        timestamps_ms: decoded.timestamps_ms,
        stats: stats.into_iter().map(tuple).collect(),
        rejected: counts(
            py,
            &[
                ("malformed_metric", rejected.malformed_metric),
                ("malformed_message", rejected.malformed_message),
                ("too_deep", rejected.too_deep),
                ("no_name", rejected.no_name),
                ("no_value", rejected.no_value),
                ("invalid_value", rejected.invalid_value),
                ("invalid_histogram", rejected.invalid_histogram),
                ("gauge_histogram", rejected.gauge_histogram),
                ("too_many_names", rejected.too_many_names),
                ("name_too_long", rejected.name_too_long),
            ],
        )?,
        repaired: counts(
            py,
            &[("invalid_utf8", invalid_utf8), ("no_type", repaired.no_type), ("rounded_count", repaired.rounded_count)],
        )?,
    })
}

/// A message's identifier, families, timestamp, and whether its frame is whole; see native.pyi.
#[pyfunction]
pub fn inspect_metrics(message: &[u8]) -> (Option<NodeIdentifier>, usize, Option<i64>, bool) {
    let (identifier, families, timestamp_ms, whole) = metrics::inspect(message);
    (identifier.map(NodeIdentifier), families, timestamp_ms, whole)
}

fn table(py: Python<'_>, rows: RecordBatch) -> PyResult<Py<PyAny>> {
    Ok(PyRecordBatch::new(rows).into_arro3(py)?.unbind())
}

fn tuple(stat: Stat) -> PyStat {
    (stat.number, stat.style, stat.kind as u8, stat.name, stat.labels)
}
