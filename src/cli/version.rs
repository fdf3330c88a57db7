//! `rr version`

use super::personality::{self, Personality};
use super::verbs::Verb;
use super::{format, output};
use crate::error::Result;
use serde_json::{Value, json};

/// Show the version of rr and of the machine it runs on
#[derive(Debug, clap::Parser)]
pub struct Version {
    /// `json`, or a Go template such as `{{.Server.APIVersion}}`
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

/// The version of Docker's Engine API whose names and defaults rr's commands follow. Programs that
/// drive `docker` ask for it before anything else; GitHub's runner wants at least 1.35.
const API_VERSION: &str = "1.44";

/// What `--version` prints: programs tell Docker and Podman apart by it.
pub fn line(personality: Personality) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match personality {
        Personality::Rr => format!("rr version {version}"),
        Personality::Docker => format!("Docker version {version}, build rr"),
        Personality::Podman => format!("podman version {version}"),
    }
}

impl Verb for Version {
    fn run(self) -> Result<i32> {
        let object = object();
        match self.format.as_deref() {
            None | Some("") => output::text(&match personality::current() {
                Personality::Rr => for_people(&object),
                Personality::Docker => as_docker(&object),
                Personality::Podman => as_podman(&object),
            }),
            // In templates Docker's fields are Go's names, in JSON the API's.
            Some("json") => output::line(&json_names(object).to_string()),
            format => output::text(&format::objects(&[object], format)?),
        }
        .map(|()| 0)
    }
}

/// There is no server: client and server are this one program, for scripts that ask for either.
fn object() -> Value {
    let kernel = rustix::system::uname();
    let kernel = kernel.release().to_string_lossy().into_owned();
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "Client": {
            "Version": version,
            "APIVersion": API_VERSION,
            "DefaultAPIVersion": API_VERSION,
            "Os": "linux",
            "Arch": crate::image::platform::Platform::host().architecture,
            "Context": "default",
        },
        "Server": {
            "Platform": { "Name": "rr" },
            "Version": version,
            "APIVersion": API_VERSION,
            "MinAPIVersion": API_VERSION,
            "Os": "linux",
            "Arch": crate::image::platform::Platform::host().architecture,
            "KernelVersion": kernel,
            "Components": [{ "Name": "rr", "Version": version }],
        },
    })
}

/// `APIVersion` is `ApiVersion` in the API's JSON, as Docker has it.
fn json_names(mut object: Value) -> Value {
    for side in ["Client", "Server"] {
        if let Some(Value::Object(fields)) = object.get_mut(side)
            && let Some(version) = fields.remove("APIVersion")
        {
            fields.insert("ApiVersion".into(), version);
        }
    }
    object
}

/// Docker's layout, for scripts that look for its lines.
fn as_docker(object: &Value) -> String {
    let text = |side: &str, name: &str| object[side][name].as_str().unwrap_or_default().to_owned();
    let platform = |side: &str| format!("{}/{}", text(side, "Os"), text(side, "Arch"));
    let api = text("Server", "APIVersion");
    format!(
        "Client:\n Version:           {}\n API version:       {}\n OS/Arch:           {}\n Context:           {}\n\n\
         Server: rr\n Engine:\n  Version:          {}\n  API version:      {api} (minimum version {api})\n  \
         OS/Arch:          {}\n",
        text("Client", "Version"),
        text("Client", "APIVersion"),
        platform("Client"),
        text("Client", "Context"),
        text("Server", "Version"),
        platform("Server"),
    )
}

/// Podman's.
fn as_podman(object: &Value) -> String {
    let text = |name: &str| object["Client"][name].as_str().unwrap_or_default();
    format!(
        "Client:       rr\nVersion:      {}\nAPI Version:  {}\nOS/Arch:      {}/{}\n",
        text("Version"),
        text("APIVersion"),
        text("Os"),
        text("Arch"),
    )
}

fn for_people(object: &Value) -> String {
    let text = |side: &str, name: &str| object[side][name].as_str().unwrap_or_default().to_owned();
    [
        ("Version", text("Client", "Version")),
        ("API version", format!("{} (names and defaults of Docker's)", text("Client", "APIVersion"))),
        ("OS/Arch", format!("{}/{}", text("Client", "Os"), text("Client", "Arch"))),
        ("Kernel", text("Server", "KernelVersion")),
    ]
    .iter()
    .map(|(name, value)| format!("{:<13}{value}\n", format!("{name}:")))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_layout() {
        let version = env!("CARGO_PKG_VERSION");
        let docker = as_docker(&object());
        assert!(
            docker.starts_with(&format!("Client:\n Version:           {version}\n API version:       {API_VERSION}\n"))
        );
        assert!(docker.contains(&format!("\n Engine:\n  Version:          {version}\n")), "{docker}");
        assert!(as_podman(&object()).contains(&format!("\nVersion:      {version}\n")));
    }

    #[test]
    fn runners_find_the_api_version() {
        let text = format::objects(&[object()], Some("{{.Server.APIVersion}} {{.Client.Version}}")).unwrap();
        assert_eq!(text, format!("{API_VERSION} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(json_names(object())["Server"]["ApiVersion"], API_VERSION);
    }
}
