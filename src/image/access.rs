//! How a registry is reached where the user says so, in place of what is configured.

use super::auth::{self, Credentials};
use super::http::{Agents, Patience};
use super::registries::{Endpoint, Security};
use super::registry::Repository;
use crate::error::Result;
use crate::host::dirs::Dirs;
use std::path::PathBuf;

/// What was asked for; the default is what registries.conf and the kept credentials say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `--tls-verify`: false allows certificates of nobody and plain HTTP; None is what registries.conf says.
    pub verify: Option<bool>,
    /// In place of those that are kept.
    pub credentials: Option<Credentials>,
    /// The one file of credentials to look at.
    pub auth_file: Option<PathBuf>,
}

impl Access {
    /// The repository at `endpoint`.
    ///
    /// # Errors
    /// The credentials cannot be read.
    pub(super) fn open(&self, dirs: &Dirs, mut endpoint: Endpoint) -> Result<Repository> {
        match self.verify {
            Some(true) => endpoint.security = Security::Verified,
            Some(false) => endpoint.security = Security::Insecure,
            None => {}
        }
        let credentials = match &self.credentials {
            Some(credentials) => credentials.clone(),
            None => auth::find_for(dirs, self.auth_file.as_deref(), &endpoint.reference.repository())?,
        };
        Ok(Repository::new(endpoint, credentials, Agents::new(dirs, Patience::default())))
    }
}
