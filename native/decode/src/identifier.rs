//! Reads the frame of a message and who sent it, for the receiver, which asks this of every message.

use crate::json::Json;
use crate::text::text;
use crate::wire::{Fault, Reader, len, varint};

/// StreamAccessLogsMessage.Identifier without the node's extension list, which Envoy fills with 60 KB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifier {
    /// 2
    pub log_name: String,
    /// 1.1
    pub node_id: String,
    /// 1.2
    pub node_cluster: String,
    /// 1.3 as a JSON object
    pub metadata_json: Vec<u8>,
    /// 1.4.1
    pub region: String,
    /// 1.4.2
    pub zone: String,
    /// 1.4.3
    pub sub_zone: String,
    /// 1.6
    pub user_agent_name: String,
    /// 1.8.1 as `1.40.0`, else 1.7
    pub version: String,
}

/// The identifier, if there is one, and the number of entries as far as the frame can be read.
///
/// Of an identifier that is malformed we give what could be read: a stream without a name is still a stream.
pub fn inspect(message: &[u8]) -> (Option<Identifier>, usize) {
    let (mut identifier, mut entries) = (None, 0);
    // A broken frame is found, and counted, when the message is decoded.
    let _ = frame(message, &mut identifier, &mut entries);
    (identifier, entries)
}

fn frame(message: &[u8], identifier: &mut Option<Identifier>, entries: &mut usize) -> Result<(), Fault> {
    const IDENTIFIER: u32 = len(1);
    const HTTP_LOGS: u32 = len(2);
    const TCP_LOGS: u32 = len(3);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            IDENTIFIER => *identifier = Some(Identifier::read(reader.message()?)),
            HTTP_LOGS | TCP_LOGS => count(reader.message()?, entries)?,
            _ => reader.skip(tag)?,
        }
    }
    Ok(())
}

fn count(mut logs: Reader, entries: &mut usize) -> Result<(), Fault> {
    const LOG_ENTRY: u32 = len(1);
    while let Some(tag) = logs.tag()? {
        if tag == LOG_ENTRY {
            logs.bytes()?;
            *entries += 1;
        } else {
            logs.skip(tag)?;
        }
    }
    Ok(())
}

impl Identifier {
    /// Of an identifier that is malformed, what could be read.
    pub fn read(message: Reader) -> Self {
        let mut identifier = Self { metadata_json: b"{}".to_vec(), ..Self::default() };
        let _ = identifier.fields(message);
        identifier
    }

    fn fields(&mut self, mut message: Reader) -> Result<(), Fault> {
        const NODE: u32 = len(1);
        const LOG_NAME: u32 = len(2);
        while let Some(tag) = message.tag()? {
            match tag {
                NODE => self.node(message.message()?)?,
                LOG_NAME => self.log_name = string(message.bytes()?),
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn node(&mut self, mut message: Reader) -> Result<(), Fault> {
        const ID: u32 = len(1);
        const CLUSTER: u32 = len(2);
        const METADATA: u32 = len(3);
        const LOCALITY: u32 = len(4);
        const USER_AGENT_NAME: u32 = len(6);
        const USER_AGENT_VERSION: u32 = len(7);
        const USER_AGENT_BUILD_VERSION: u32 = len(8);
        while let Some(tag) = message.tag()? {
            match tag {
                ID => self.node_id = string(message.bytes()?),
                CLUSTER => self.node_cluster = string(message.bytes()?),
                METADATA => self.metadata(message.bytes()?)?,
                LOCALITY => self.locality(message.message()?)?,
                USER_AGENT_NAME => self.user_agent_name = string(message.bytes()?),
                USER_AGENT_VERSION => self.version = string(message.bytes()?),
                USER_AGENT_BUILD_VERSION => self.version = build_version(message.message()?)?,
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn metadata(&mut self, message: &[u8]) -> Result<(), Fault> {
        let mut json = Json::default();
        json.write_struct(message)?;
        self.metadata_json = json.bytes;
        Ok(())
    }

    fn locality(&mut self, mut message: Reader) -> Result<(), Fault> {
        const REGION: u32 = len(1);
        const ZONE: u32 = len(2);
        const SUB_ZONE: u32 = len(3);
        while let Some(tag) = message.tag()? {
            match tag {
                REGION => self.region = string(message.bytes()?),
                ZONE => self.zone = string(message.bytes()?),
                SUB_ZONE => self.sub_zone = string(message.bytes()?),
                _ => message.skip(tag)?,
            }
        }
        Ok(())
    }
}

fn string(bytes: &[u8]) -> String {
    text(bytes, &mut false).into_owned()
}

/// envoy.config.core.v3.BuildVersion; empty without a version.
fn build_version(mut message: Reader) -> Result<String, Fault> {
    const VERSION: u32 = len(1);
    let mut version = String::new();
    while let Some(tag) = message.tag()? {
        match tag {
            VERSION => version = semantic_version(message.message()?)?,
            _ => message.skip(tag)?,
        }
    }
    Ok(version)
}

/// envoy.type.v3.SemanticVersion.
fn semantic_version(mut message: Reader) -> Result<String, Fault> {
    const MAJOR: u32 = varint(1);
    const MINOR: u32 = varint(2);
    const PATCH: u32 = varint(3);
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    while let Some(tag) = message.tag()? {
        match tag {
            MAJOR => major = message.uint32()?,
            MINOR => minor = message.uint32()?,
            PATCH => patch = message.uint32()?,
            _ => message.skip(tag)?,
        }
    }
    Ok(format!("{major}.{minor}.{patch}"))
}
