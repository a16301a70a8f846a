//! How far the outputs in a data directory have been written out, so that a run that was killed
//! loses none of them: the next one writes them again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pelton_core::{FunctionId, TopicName};
use serde::{Deserialize, Serialize};

use crate::error::{CliError, Result};

/// What has been written out, in a small JSON file.
pub(crate) struct Written {
    /// Absent where nothing is kept.
    path: Option<PathBuf>,
    noted: Noted,
}

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Noted {
    /// The number of the last input whose outputs are all written out.
    #[serde(default)]
    load: u64,
    /// The offsets behind what has been written out, by topic and partition.
    #[serde(flatten)]
    topics: BTreeMap<String, Vec<u64>>,
}

impl Written {
    /// What is noted for the function in the data directory `folder`.
    pub(crate) fn open(folder: Option<&Path>, function: &FunctionId) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self { path: None, noted: Noted::default() }) };
        let name = format!("{}.{}.json", function.tenant(), function.name());
        let path = folder.join("written").join(name);
        let noted = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let text = format!("{} cannot be read: {error}", path.display());
                CliError::bad_input("E-WRITTEN", text)
                    .next("remove this file: then all outputs in the folder are written out again")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Noted::default(),
            Err(error) => return Err(CliError::file("read", &path, &error)),
        };
        Ok(Self { path: Some(path), noted })
    }

    /// Whether anything is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.path.is_some()
    }

    /// The number of the last input that was run to its end and written out; 0 before there is one.
    pub(crate) fn load(&self) -> u64 {
        self.noted.load
    }

    /// Notes that all that comes of the input of this number has been written out.
    pub(crate) fn set_load(&mut self, load: u64) {
        self.noted.load = load;
    }

    /// Where to go on in a topic; from its start where nothing is noted.
    pub(crate) fn of(&self, topic: &TopicName) -> Vec<u64> {
        self.noted.topics.get(&topic.to_string()).cloned().unwrap_or_default()
    }

    /// Notes that a topic has been written out up to these offsets.
    pub(crate) fn set(&mut self, topic: &TopicName, offsets: Vec<u64>) {
        self.noted.topics.insert(topic.to_string(), offsets);
    }

    /// Keeps what has been noted. It is replaced as a whole, or not.
    pub(crate) fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |error: std::io::Error| CliError::file("write", path, &error);
        let folder = path.parent().unwrap_or(path);
        let new = path.with_extension("new");
        let text = serde_json::to_string(&self.noted).map_err(std::io::Error::from);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(text.map_err(failed)?.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&new, path).map_err(failed)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}
