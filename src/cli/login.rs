//! `rr login`, `rr logout`

use super::verbs::Verb;
use super::{output, personality, report};
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::image::{self, Access, Convention, CredentialFile, Credentials, Kept};
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

/// Where nobody says which registry is meant.
const DEFAULT_REGISTRY: &str = "docker.io";

/// Keep the credentials for a registry
#[derive(Debug, clap::Parser)]
pub struct Login {
    /// The file to keep them in
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Print the user that is logged in, and do nothing
    #[arg(long)]
    get_login: bool,
    /// Password; others can see it in the list of processes
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Insist on HTTPS and a valid certificate [default: what registries.conf says]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::container::values::boolean)]
    tls_verify: Option<bool>,
    /// User name
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Say where the credentials are kept
    #[arg(short, long)]
    verbose: bool,
    /// Registry, such as ghcr.io [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

/// Forget the credentials for a registry
#[derive(Debug, clap::Parser)]
pub struct Logout {
    /// Forget those for all registries
    #[arg(short, long)]
    all: bool,
    /// The file they are kept in
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Registry, such as ghcr.io [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

/// What was typed as a registry, without what people copy from a browser.
fn registry(typed: Option<&String>) -> String {
    let text = typed.map_or(DEFAULT_REGISTRY, String::as_str);
    let bare = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let bare = bare.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
    match bare {
        "index.docker.io" | "registry-1.docker.io" | "" => DEFAULT_REGISTRY.to_owned(),
        other => other.to_owned(),
    }
}

fn convention() -> Convention {
    match personality::current() {
        personality::Personality::Docker => Convention::Docker,
        _ => Convention::Podman,
    }
}

impl Verb for Login {
    fn run(self) -> Result<i32> {
        let dirs = Dirs::from_environment()?;
        let registry = registry(self.registry.as_ref());
        let refuse = |cause: &str| Failure::new(format!("cannot log in to {registry}"), cause).code(ExitCode::General);
        if self.get_login {
            return match image::find_credentials(&dirs, self.authfile.as_deref(), &registry)? {
                Credentials::Password { user, .. } => output::line(&user).map(|()| 0),
                _ => Err(refuse("not logged in")),
            };
        }
        if self.password.is_some() && self.password_stdin {
            return Err(refuse("--password and --password-stdin are mutually exclusive"));
        }
        if self.password_stdin && self.username.is_none() {
            return Err(refuse("Must provide --username with --password-stdin"));
        }
        if self.password.is_some() {
            report::line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        }
        let (user, password) = self.ask().map_err(|failure| failure.code(ExitCode::General))?;
        if user.is_empty() || password.is_empty() {
            return Err(refuse("a user name and a password are needed"));
        }
        let access = Access {
            verify: self.tls_verify,
            credentials: Some(Credentials::Password { user: user.clone(), password: password.clone() }),
            auth_file: None,
        };
        let host = registry.split('/').next().unwrap_or(&registry);
        image::check_login(&dirs, host, &access)?;
        let file = image::file_to_write(&dirs, self.authfile.as_deref(), convention())?;
        let kept = file.keep(&registry, &user, &password)?;
        self.tell(&file, &kept)
    }
}

impl Login {
    /// The user and the password, asked for where they were not given.
    fn ask(&self) -> Result<(String, String)> {
        let mut stdin = std::io::stdin().lock();
        if self.password_stdin {
            let mut password = String::new();
            stdin.read_to_string(&mut password).doing(|| "cannot read the password")?;
            let password = password.trim_end_matches(['\n', '\r']).to_owned();
            return Ok((self.username.clone().unwrap_or_default(), password));
        }
        if (self.username.is_none() || self.password.is_none()) && !stdin.is_terminal() {
            return Err(Failure::new("Cannot perform an interactive login from a non TTY device", ""));
        }
        let user = match &self.username {
            Some(user) => user.clone(),
            None => prompt("Username: ", &mut stdin)?,
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None => hidden("Password: ", &mut stdin)?,
        };
        Ok((user, password))
    }

    fn tell(&self, file: &CredentialFile, kept: &Kept) -> Result<i32> {
        match kept {
            Kept::InFile if file.dockers => {
                report::line(&format!(
                    "\nWARNING! Your credentials are stored unencrypted in '{}'.",
                    file.path.display()
                ));
            }
            Kept::InFile => {}
            Kept::ByHelper(helper) => log::info!("kept by docker-credential-{helper}"),
        }
        if self.verbose {
            report::line(&format!("Used:  {}", file.path.display()));
        }
        let mark = if personality::is_podman() { "!" } else { "" };
        output::line(&format!("Login Succeeded{mark}")).map(|()| 0)
    }
}

fn prompt(text: &str, stdin: &mut impl BufRead) -> Result<String> {
    let doing = || "cannot ask for the credentials";
    let mut stdout = std::io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).doing(doing)?;
    let mut line = String::new();
    stdin.read_line(&mut line).doing(doing)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks without showing what is typed.
fn hidden(text: &str, stdin: &mut (impl BufRead + std::os::fd::AsFd)) -> Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let doing = || "cannot ask for the password";
    let before = tcgetattr(&*stdin).doing(doing)?;
    let mut silent = before.clone();
    silent.local_modes -= LocalModes::ECHO;
    tcsetattr(&*stdin, OptionalActions::Flush, &silent).doing(doing)?;
    let answer = prompt(text, stdin);
    tcsetattr(&*stdin, OptionalActions::Flush, &before).doing(doing)?;
    output::line("")?;
    answer
}

impl Verb for Logout {
    fn run(self) -> Result<i32> {
        let dirs = Dirs::from_environment()?;
        let file = image::file_to_write(&dirs, self.authfile.as_deref(), convention())?;
        if self.all {
            for registry in file.registries()? {
                file.forget(&registry)?;
            }
            return output::line("Removed login credentials for all registries").map(|()| 0);
        }
        let registry = registry(self.registry.as_ref());
        match file.forget(&registry)? {
            true if personality::is_podman() => output::line(&format!("Removed login credentials for {registry}")),
            true => output::line(&format!("Removing login credentials for {registry}")),
            false => output::line(&format!("Not logged in to {registry}")),
        }
        .map(|()| 0)
    }
}
