//! What an image says about how to run it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a container of an image is run unless the user says otherwise (OCI image-spec, config.md).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments behind the entry point; the whole command where there is none.
    pub cmd: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// `USER`, `UID`, `USER:GROUP` or `UID:GID`, as the image's own passwd file has it; empty: root.
    pub user: String,
    /// Where the command starts; empty: `/`.
    pub workdir: String,
    /// `PORT/PROTOCOL`: a remark, nothing is opened by it.
    pub exposed_ports: BTreeSet<String>,
    /// Directories that are meant to be volumes: a remark.
    pub volumes: BTreeSet<String>,
    /// Whatever somebody wanted to say about the image.
    pub labels: BTreeMap<String, String>,
    /// The signal that stops the command; empty: SIGTERM.
    pub stop_signal: String,
}

impl Config {
    /// What reaches a system call as a C string has no NUL in it.
    pub(crate) fn check(self) -> Result<Self> {
        let lists = [&self.entrypoint, &self.cmd, &self.env];
        let words = lists.into_iter().flatten().chain([&self.user, &self.workdir, &self.stop_signal]);
        for word in words {
            if word.contains('\0') {
                let word = crate::shown(word.as_bytes());
                return Err(Error::Archive(format!("the image's configuration has a NUL in {word}")));
            }
        }
        Ok(self)
    }
}
