//! The module `telemetry.native`: what telemetry/native.pyi says, around the crate in decode/.

mod metrics;

use access_log_decode::{Asked, Decoder, Identifier, MAX_BYTES};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use pyo3_arrow::PyRecordBatch;

#[pymodule]
mod native {
    #[pymodule_export]
    use super::metrics::{DecodedMetrics, StatNames, decode_metrics, inspect_metrics};
    #[pymodule_export]
    use super::{Decoded, NodeIdentifier, decode_access_logs, inspect};
}

/// What became of some messages.
#[pyclass(frozen, module = "telemetry.native")]
struct Decoded {
    #[pyo3(get)]
    rows: Py<PyAny>,
    #[pyo3(get)]
    rejected: Py<PyDict>,
    #[pyo3(get)]
    repaired: Py<PyDict>,
}

/// StreamAccessLogsMessage.Identifier without the node's extension list.
#[pyclass(frozen, eq, name = "Identifier", module = "telemetry.native")]
#[derive(PartialEq)]
struct NodeIdentifier(Identifier);

#[pymethods]
impl NodeIdentifier {
    #[getter]
    fn log_name(&self) -> &str {
        &self.0.log_name
    }

    #[getter]
    fn node_id(&self) -> &str {
        &self.0.node_id
    }

    #[getter]
    fn node_cluster(&self) -> &str {
        &self.0.node_cluster
    }

    #[getter]
    fn metadata_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.metadata_json)
    }

    #[getter]
    fn region(&self) -> &str {
        &self.0.region
    }

    #[getter]
    fn zone(&self) -> &str {
        &self.0.zone
    }

    #[getter]
    fn sub_zone(&self) -> &str {
        &self.0.sub_zone
    }

    #[getter]
    fn user_agent_name(&self) -> &str {
        &self.0.user_agent_name
    }

    #[getter]
    fn version(&self) -> &str {
        &self.0.version
    }
}

/// Decode StreamAccessLogsMessage bytes into one table; see native.pyi.
#[pyfunction]
#[pyo3(signature = (messages, nodes, *, request_headers=vec![], response_headers=vec![], response_trailers=vec![], filter_state=vec![]))]
fn decode_access_logs(
    py: Python<'_>,
    messages: Vec<PyBackedBytes>,
    nodes: Vec<u32>,
    request_headers: Vec<String>,
    response_headers: Vec<String>,
    response_trailers: Vec<String>,
    filter_state: Vec<String>,
) -> PyResult<Decoded> {
    check(&messages, &nodes)?;
    let asked = Asked {
        request_headers: distinct("request_headers", request_headers)?,
        response_headers: distinct("response_headers", response_headers)?,
        response_trailers: distinct("response_trailers", response_trailers)?,
        filter_state: distinct("filter_state", filter_state)?,
    };
    let decoded = py.detach(|| {
        let mut decoder = Decoder::new(&asked);
        for (message, &node) in messages.iter().zip(&nodes) {
            decoder.add(message, node);
        }
        decoder.finish()
    });
    let decoded = decoded.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(Decoded {
        rows: PyRecordBatch::new(decoded.rows).into_arro3(py)?.unbind(),
        rejected: counts(
            py,
            &[
                ("malformed_entry", decoded.rejected.malformed_entry),
                ("malformed_message", decoded.rejected.malformed_message),
                ("too_deep", decoded.rejected.too_deep),
                ("no_common_properties", decoded.rejected.no_common_properties),
            ],
        )?,
        repaired: counts(
            py,
            &[
                ("invalid_utf8", decoded.repaired.invalid_utf8),
                ("time_out_of_range", decoded.repaired.time_out_of_range),
            ],
        )?,
    })
}

/// A message's identifier and number of entries; see native.pyi.
#[pyfunction]
fn inspect(message: &[u8]) -> (Option<NodeIdentifier>, usize) {
    let (identifier, entries) = access_log_decode::inspect(message);
    (identifier.map(NodeIdentifier), entries)
}

fn check(messages: &[PyBackedBytes], nodes: &[u32]) -> PyResult<()> {
    if messages.len() != nodes.len() {
        let text = format!("{} messages but {} nodes: give one node for each message", messages.len(), nodes.len());
        return Err(PyValueError::new_err(text));
    }
    bounded(messages)
}

fn bounded(messages: &[PyBackedBytes]) -> PyResult<()> {
    let bytes: usize = messages.iter().map(|message| message.len()).sum();
    if bytes > MAX_BYTES {
        let text = format!("{bytes} bytes of messages: decode at most {MAX_BYTES} at once");
        return Err(PyValueError::new_err(text));
    }
    Ok(())
}

/// The names as they are, unless one comes twice: a table can't have two columns of one name.
fn distinct(option: &str, names: Vec<String>) -> PyResult<Vec<String>> {
    match names.iter().enumerate().find(|&(index, name)| names[..index].contains(name)) {
        Some((_, name)) => Err(PyValueError::new_err(format!("{option} names {name:?} twice: name it once"))),
        None => Ok(names),
    }
}

/// The counts that are not 0.
fn counts(py: Python<'_>, counts: &[(&str, u64)]) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for (reason, count) in counts.iter().filter(|(_, count)| *count > 0) {
        dict.set_item(reason, count)?;
    }
    Ok(dict.unbind())
}
