//! `rr attach`

use super::attach::{self, Attachment, Input, SignalProxy};
use super::verbs::Verb;
use super::{run_flags, store};
use crate::container::values;
use crate::error::Result;

/// Attach to a running container
#[derive(Debug, clap::Parser)]
pub struct AttachVerb {
    /// Keys that detach from the terminal [default: ctrl-p,ctrl-q]
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Do not attach standard input
    #[arg(long)]
    no_stdin: bool,
    /// Forward signals to the container [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    sig_proxy: Option<bool>,
    /// Name or id
    container: String,
}

impl Verb for AttachVerb {
    fn run(self) -> Result<i32> {
        let attachment = Attachment {
            signals: if self.sig_proxy.unwrap_or(true) { SignalProxy::On } else { SignalProxy::Off },
            detach_keys: run_flags::detach_keys(self.detach_keys.as_deref())?,
        };
        let input = if self.no_stdin { Input::Closed } else { Input::Open };
        attach::to_running(&store()?, &self.container, &attachment, input)
    }
}
