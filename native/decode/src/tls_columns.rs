//! The columns of TLSProperties, made from one number a row when the table is finished.

use crate::column::Numbers;
use crate::dictionary::Dictionary;
use crate::table::Table;
use crate::tls::{Memory, Tls};
use arrow_array::types::{UInt8Type, UInt32Type};
use arrow_schema::ArrowError;

/// Which of the distinct TLSProperties each row has.
#[derive(Default)]
pub struct TlsColumns {
    /// Rows that have any, with the number of theirs.
    rows: Vec<(usize, u32)>,
}

type Text = for<'a> fn(&'a Tls<'_>) -> &'a [u8];

const TEXTS: [(&str, Text); 11] = [
    ("tls_sni_hostname", |tls| tls.sni_hostname.as_bytes()),
    ("tls_local_uri_sans", |tls| tls.local.uri_sans.as_bytes()),
    ("tls_local_dns_sans", |tls| tls.local.dns_sans.as_bytes()),
    ("tls_peer_uri_sans", |tls| tls.peer.uri_sans.as_bytes()),
    ("tls_peer_dns_sans", |tls| tls.peer.dns_sans.as_bytes()),
    ("tls_local_subject", |tls| tls.local.subject.as_bytes()),
    ("tls_local_issuer", |tls| tls.local.issuer.as_bytes()),
    ("tls_peer_subject", |tls| tls.peer.subject.as_bytes()),
    ("tls_peer_issuer", |tls| tls.peer.issuer.as_bytes()),
    ("tls_session_id", |tls| tls.session_id.as_bytes()),
    ("tls_ja3_fingerprint", |tls| tls.ja3_fingerprint.as_bytes()),
];

impl TlsColumns {
    /// Notes a row's properties, and tells whether they had to be repaired.
    pub fn push(&mut self, row: usize, number: u32, memory: &Memory) -> bool {
        self.rows.push((row, number));
        memory.distinct()[number as usize].repaired
    }

    /// Adds all columns to the table.
    pub fn finish(self, table: &mut Table, memory: &Memory) -> Result<(), ArrowError> {
        let distinct = memory.distinct();
        let (mut version, mut cipher_suite) = (Numbers::<UInt8Type>::default(), Numbers::<UInt32Type>::default());
        for &(row, number) in &self.rows {
            let tls = &distinct[number as usize];
            // TLS has had versions 0 to 4 so far; what doesn't fit a byte isn't one.
            if let Ok(known) = u8::try_from(tls.version) {
                version.set(row, known);
            }
            if let Some(suite) = tls.cipher_suite {
                cipher_suite.set(row, suite);
            }
        }
        table.add("tls_version", version.into_array(table.rows));
        table.add("tls_cipher_suite", cipher_suite.into_array(table.rows));
        for (name, text) in TEXTS {
            table.add(name, self.column(distinct, text).finish_text(table.rows)?);
        }
        Ok(())
    }

    fn column(&self, distinct: &[Tls], text: Text) -> Dictionary {
        let mut column = Dictionary::default();
        // A code for each of the distinct properties, as soon as a row has them: those of rejected entries get none.
        let mut codes: Vec<Option<u32>> = vec![None; distinct.len()];
        for &(row, number) in &self.rows {
            let value = text(&distinct[number as usize]);
            if !value.is_empty() {
                let code = *codes[number as usize].get_or_insert_with(|| column.code(value));
                column.set_code(row, code);
            }
        }
        column
    }
}
