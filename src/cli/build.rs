//! `rr build`

mod shown;

use super::access_flags::AccessFlags;
use super::commit::new_name;
use super::network_flags;
use super::progress::Verbosity;
use super::verbs::Verb;
use super::{output, personality, progress, pull, report, start};
use crate::build::ignore::Ignore;
use crate::build::{self, Cache, Failed, Request};
use crate::container::plan::NetworkMode;
use crate::container::values;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::dirs::Dirs;
use crate::image::reference::Reference;
use crate::image::{Format, Image, PullPolicy};
use crate::net::NetworkPlan;
use crate::store::{Event, Kind, Store, TempDir};
use shown::Shown;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

/// Build an image from a Dockerfile
#[derive(Debug, clap::Parser)]
#[command(override_usage = "rr build [OPTIONS] PATH|URL|-")]
pub struct Build {
    #[command(flatten)]
    access: AccessFlags,
    /// Add a line to /etc/hosts of RUN's containers
    #[arg(long, value_name = "HOST:IP")]
    add_host: Vec<String>,
    /// A further place for COPY --from and FROM: a directory, or docker-image://NAME
    #[arg(long, value_name = "NAME=PLACE")]
    build_context: Vec<String>,
    /// Set a variable that the Dockerfile declares by ARG; without a value, to that of the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Ignored: what was built here before is found without being told where
    #[arg(long, value_name = "IMAGE")]
    cache_from: Vec<String>,
    /// Ignored: what is built is remembered anyway
    #[arg(long, value_name = "IMAGE")]
    cache_to: Vec<String>,
    /// The Dockerfile; `-` for standard input [default: Dockerfile, or Containerfile, of the context]
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// Ignored: containers of RUN never outlive their step
    #[arg(long)]
    force_rm: bool,
    /// Documents of the image: oci or docker
    #[arg(long, value_name = "FORMAT", default_value = "oci")]
    format: String,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Set a label of the image
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Ignored: the image is in rr's store anyway
    #[arg(long)]
    load: bool,
    /// The network of RUN's containers: default, host or none
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Do each step anew
    #[arg(long)]
    no_cache: bool,
    /// Build for another platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// How progress is shown: auto, plain, tty or quiet
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: String,
    /// Ask the registry also for images that are here; or always, missing, never or newer
    #[arg(long, value_name = "POLICY", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pull: Option<String>,
    /// Say nothing but the image's id
    #[arg(short, long)]
    quiet: bool,
    /// Ignored: containers of RUN never outlive their step
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::boolean)]
    rm: Option<bool>,
    /// Give RUN --mount=type=secret a file or a variable: id=ID[,src=FILE|,env=NAME]
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// What the image is called
    #[arg(short, long, value_name = "IMAGE[:TAG]")]
    tag: Vec<String>,
    /// Build up to this stage
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// The directory that COPY takes files from; `-` for a Dockerfile, or an archive of a context, on standard input
    #[arg(value_name = "PATH", default_value = ".")]
    context: String,
}

impl Verb for Build {
    fn run(self) -> Result<i32> {
        let dirs = Dirs::from_environment()?;
        let store = Store::open(&dirs)?;
        let wrong = |cause: String| Failure::new("cannot use --format", cause).code(ExitCode::General);
        let format = self.format.parse::<Format>().map_err(wrong)?;
        let names: Vec<Reference> = self.tag.iter().map(|name| new_name(name)).collect::<Result<_>>()?;
        let unpacked = self.standard_input(&store)?;
        let (context, given) = match &unpacked {
            Some(Given::Archive(directory)) => (directory.path().to_owned(), None),
            Some(Given::Dockerfile(directory, text)) => (directory.path().to_owned(), Some(text.clone())),
            None => (PathBuf::from(&self.context), None),
        };
        let (file_name, dockerfile) = match given {
            Some(text) => ("Dockerfile".to_owned(), text),
            None => self.dockerfile(&context)?,
        };
        let (secrets, contexts) = (self.secrets()?, pairs(&self.build_context));
        let (arguments, labels) = (self.arguments(), pairs(&self.label));
        let quiet = self.quiet || self.progress == "quiet";
        let shown = Shown::new(quiet);
        let access = self.access.access()?;
        let pulling = progress::shown(if quiet { Verbosity::Quiet } else { Verbosity::Usual });
        let request = Request {
            store: &store,
            dirs: &dirs,
            dockerfile: &dockerfile,
            context: &context,
            secrets: &secrets,
            contexts: &contexts,
            ignore: ignore(&context, &file_name)?,
            arguments: &arguments,
            labels: &labels,
            target: self.target.as_deref(),
            names: &names,
            platform: pull::parse_platform(self.platform.as_deref())?,
            pull: self.pull_policy()?,
            cache: if self.no_cache { Cache::Ignored } else { Cache::Used },
            access: &access,
            network: self.network()?,
            format,
            driver: start::driver()?,
            reporter: &shown,
            pulling: pulling.as_ref(),
        };
        let built = build::build(&request);
        let image = built.map_err(|failed| explain(failed, &shown, &file_name, &dockerfile))?;
        let id = image.id.to_string();
        store.tell_and_bound(&[Event::now(Kind::Image, "build", &*id).with("name", &*id)]);
        if let Some(path) = &self.iidfile {
            std::fs::write(path, &id).doing(|| format!("cannot write {}", path.display()))?;
        }
        shown.exported(&image, &names);
        self.answer(&image)?;
        Ok(0)
    }
}

impl Build {
    /// The id where it is wanted: Docker prints it with -q alone, Podman always.
    fn answer(&self, image: &Image) -> Result<()> {
        match (personality::is_podman(), self.quiet) {
            (true, _) => output::line(&image.id.hex()),
            (false, true) => output::line(&image.id.to_string()),
            (false, false) => Ok(()),
        }
    }

    /// The Dockerfile's name, as it is shown, and its text.
    fn dockerfile(&self, context: &Path) -> Result<(String, String)> {
        let read = |path: &Path| match std::fs::read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Err(error).doing(|| format!("failed to read dockerfile: cannot open {}", path.display())),
        };
        match self.file.as_deref() {
            Some("-") => {
                let text = std::io::read_to_string(std::io::stdin());
                Ok(("Dockerfile".to_owned(), text.doing(|| "cannot read the Dockerfile")?))
            }
            // From here, as with Docker; from the context too, as with Podman.
            Some(file) => {
                let (here, there) = (PathBuf::from(file), context.join(file));
                let path = if here.exists() || !there.exists() { here } else { there };
                Ok((file.to_owned(), read(&path)?))
            }
            None => {
                if self.context.contains("://") || self.context.starts_with("git@") {
                    let cause = format!("{} is not a directory here, and rr does not fetch contexts", self.context);
                    return Err(Failure::new("unable to prepare context", cause).code(ExitCode::General));
                }
                if !context.is_dir() {
                    let cause = format!("path \"{}\" not found", self.context.escape_debug());
                    return Err(Failure::new("unable to prepare context", cause).code(ExitCode::General));
                }
                let order = match personality::is_podman() {
                    true => ["Containerfile", "Dockerfile"],
                    false => ["Dockerfile", "Containerfile"],
                };
                let name = order.into_iter().find(|name| context.join(name).exists()).unwrap_or(order[0]);
                Ok((name.to_owned(), read(&context.join(name))?))
            }
        }
    }

    /// `-`: what is on standard input.
    fn standard_input(&self, store: &Store) -> Result<Option<Given>> {
        if self.context != "-" {
            return Ok(None);
        }
        let doing = || "cannot read standard input";
        let mut head = Vec::new();
        std::io::stdin().take(512).read_to_end(&mut head).doing(doing)?;
        // A plain archive names its form at 257, and packed ones begin with their magic numbers.
        let is_archive = head.get(257..262) == Some(b"ustar")
            || head.starts_with(&[0x1f, 0x8b])
            || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let mut whole = Cursor::new(head).chain(std::io::stdin());
        if is_archive {
            return build::context::unpack(store, whole).map(|directory| Some(Given::Archive(directory)));
        }
        let mut bytes = Vec::new();
        whole.read_to_end(&mut bytes).doing(doing)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(Given::Dockerfile(build::context::empty(store)?, text)))
    }

    /// `--secret`, by id.
    fn secrets(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut secrets = BTreeMap::new();
        for text in &self.secret {
            let wrong = |cause: &str| {
                Failure::new(format!("cannot use --secret {}", text.escape_debug()), cause).code(ExitCode::General)
            };
            let fields = pairs(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
            let field = |name: &str| fields.get(name).filter(|value| !value.is_empty());
            let id = field("id").ok_or_else(|| wrong("it has no id"))?;
            let of_variable = |name: &str| std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
            let content = match (field("src").or(field("source")), field("env")) {
                (Some(path), _) => std::fs::read(path).doing(|| format!("cannot read the secret {path}"))?,
                (None, Some(name)) => of_variable(name).ok_or_else(|| wrong("the environment has no such variable"))?,
                // Docker: the variable of that name, else the file.
                (None, None) => match of_variable(id) {
                    Some(value) => value,
                    None => std::fs::read(id).doing(|| format!("cannot read the secret {id}"))?,
                },
            };
            secrets.insert(id.clone(), content);
        }
        Ok(secrets)
    }

    fn arguments(&self) -> Vec<(String, String)> {
        let argument = |text: &String| match text.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            // Without a value it is that of the environment, if there is one.
            None => Some((text.clone(), std::env::var(text).ok()?)),
        };
        self.build_arg.iter().filter_map(argument).collect()
    }

    fn pull_policy(&self) -> Result<PullPolicy> {
        Ok(match self.pull.as_deref() {
            None | Some("false" | "missing" | "ifmissing") => PullPolicy::Missing,
            Some("" | "true" | "always") => PullPolicy::Always,
            Some("never") => PullPolicy::Never,
            Some("newer" | "ifnewer") => PullPolicy::Newer,
            Some(other) => {
                let cause = format!("`{}` is none of always, missing, never and newer", other.escape_debug());
                return Err(Failure::new("cannot use --pull", cause));
            }
        })
    }

    fn network(&self) -> Result<NetworkPlan> {
        let mode = match self.network.as_deref() {
            None | Some("default" | "private" | "bridge" | "slirp4netns" | "pasta") => NetworkMode::Private,
            Some("none") => NetworkMode::None,
            Some("host") => NetworkMode::Host,
            Some(other) => {
                let cause = format!("`{}` is none of default, host and none", other.escape_debug());
                return Err(Failure::new("cannot use --network", cause));
            }
        };
        Ok(NetworkPlan { add_hosts: network_flags::add_hosts(&self.add_host)?, ..NetworkPlan::new(mode) })
    }
}

/// The `.dockerignore` of the Dockerfile, or that of the context.
fn ignore(context: &Path, file_name: &str) -> Result<Ignore> {
    let names = [PathBuf::from(format!("{file_name}.dockerignore")), context.join(format!("{file_name}.dockerignore"))];
    let common = [".containerignore", ".dockerignore"];
    let common = if personality::is_podman() { &common[..] } else { &common[1..] };
    for path in names.into_iter().chain(common.iter().map(|name| context.join(name))) {
        match std::fs::read(&path) {
            Ok(bytes) => {
                let ignore = Ignore::parse(&String::from_utf8_lossy(&bytes));
                return ignore.doing(|| format!("cannot use {}", path.display()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing(|| format!("cannot read {}", path.display())),
        }
    }
    Ok(Ignore::default())
}

/// What standard input has held.
enum Given {
    /// A context, unpacked.
    Archive(TempDir),
    /// A Dockerfile, and a context in which there is nothing.
    Dockerfile(TempDir, String),
}

/// `NAME=VALUE`; without a value it is empty.
fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    texts.iter().map(pair).collect()
}

/// Shows the lines of the Dockerfile that a failure is about, as BuildKit does, before the failure itself.
fn explain(failed: Failed, shown: &Shown, file_name: &str, dockerfile: &str) -> Failure {
    shown.failed();
    if let Some(span) = failed.span {
        let mut text = format!("{file_name}:{}\n--------------------", span.first);
        let (first, last) = (span.first.saturating_sub(2).max(1), span.last + 2);
        for (index, line) in dockerfile.lines().enumerate() {
            let number = index + 1;
            if (first..=last).contains(&number) {
                let mark = if (span.first..=span.last).contains(&number) { ">>>" } else { "   " };
                text.push_str(&format!("\n{number:4} | {mark} {line}"));
            }
        }
        text.push_str("\n--------------------");
        report::line(&text);
    }
    failed.failure
}
