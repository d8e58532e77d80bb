//! The answer of the cluster, and the output of a command for it.

use crate::error::Error;
use nexus_api_types::Data;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The answer of the cluster: the `data` of its envelope.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    data: Value,
    revision: Option<u64>,
}

impl Answer {
    /// Wraps data that may be put together from several answers, so no single log index belongs to it.
    pub(crate) const fn new(data: Value) -> Self {
        Self { data, revision: None }
    }

    /// Wraps the data of one server's answer with the log index that it reflects.
    pub(crate) const fn at(data: Value, revision: Option<u64>) -> Self {
        Self { data, revision }
    }

    /// The log index that it reflects; `None` if it was put together from several answers.
    pub(crate) const fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// The JSON of the answer, unchanged.
    pub(crate) const fn data(&self) -> &Value {
        &self.data
    }

    /// Parses the answer as one of the API's types.
    ///
    /// # Errors
    /// When the answer does not fit the type, because the server is much newer or older.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.data).map_err(|error| unexpected(&error))
    }

    /// Parses the answer to a `Request::keep_text`, whose text was kept as it is.
    ///
    /// # Errors
    /// The errors of [`Answer::parse`].
    pub(crate) fn parse_text<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.data.as_str().unwrap_or_default();
        serde_json::from_str::<Data<T>>(text).map(|answer| answer.data).map_err(|error| unexpected(&error))
    }
}

fn unexpected(error: &serde_json::Error) -> Error {
    Error::local(format!("the server's answer is not what this version of nexus expects: {error}")).hint(
        "compare nexus --version with the version in nexus cluster status; --json shows the answer as it is",
    )
}
