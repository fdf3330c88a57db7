//! The options that say how a registry is reached, as Podman has them.

use crate::container::values;
use crate::error::{Doing, Result};
use crate::image::{Access, Credentials};
use clap::Args;
use std::path::PathBuf;

/// As typed.
#[derive(Debug, Clone, Default, Args)]
pub struct AccessFlags {
    /// The file of credentials to use
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Insist on HTTPS and a valid certificate [default: what registries.conf says]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    tls_verify: Option<bool>,
}

/// `--creds` beside them.
#[derive(Debug, Clone, Default, Args)]
pub struct CredentialFlags {
    #[command(flatten)]
    access: AccessFlags,
    /// Credentials to use instead of those that are kept
    #[arg(long, value_name = "USER[:PASSWORD]")]
    creds: Option<String>,
}

impl AccessFlags {
    /// What they ask for.
    ///
    /// # Errors
    /// There is no such file of credentials: without them a registry would say only that it wants some.
    pub fn access(&self) -> Result<Access> {
        if let Some(path) = &self.authfile {
            std::fs::metadata(path).doing(|| format!("cannot use --authfile {}", path.display()))?;
        }
        Ok(Access { verify: self.tls_verify, credentials: None, auth_file: self.authfile.clone() })
    }
}

impl CredentialFlags {
    /// What they ask for.
    ///
    /// # Errors
    /// As [`AccessFlags::access`].
    pub fn access(&self) -> Result<Access> {
        let credentials = self.creds.as_ref().map(|text| {
            let (user, password) = text.split_once(':').unwrap_or((text, ""));
            Credentials::Password { user: user.to_owned(), password: password.to_owned() }
        });
        Ok(Access { credentials, ..self.access.access()? })
    }
}
