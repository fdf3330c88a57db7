//! The image config: what an image says about its containers (OCI image-spec "Image Configuration").
//!
//! Docker's own config is a superset of the OCI one and is read by the same code. As Docker does, it
//! takes `null` for empty, and one string for a list of one.

use super::digest::Digest;
use super::manifest::{null_is_default, parse_object};
use super::platform::Platform;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// An image's config blob.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was built, RFC 3339; as the builder wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who built it.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// GOARCH
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// GOOS
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// What of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How containers run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers' contents.
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// How each layer came about, bottom first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub history: Vec<History>,
}

/// `config` of an image config: defaults of containers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `user|uid[:group|gid]`
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `80/tcp`
    #[serde(default, deserialize_with = "keys", serialize_with = "as_keys", skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// `NAME=value`
    #[serde(default, deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// What is executed.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Its default arguments, or what is executed where there is no entrypoint.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Paths that want a volume.
    #[serde(default, deserialize_with = "keys", serialize_with = "as_keys", skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// Working directory.
    #[serde(default, deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Name or number of the signal that asks the payload to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker's health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker's `SHELL` of the build.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// Docker's `ONBUILD` of the build.
    #[serde(default, deserialize_with = "words", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
}

/// Docker's HEALTHCHECK. Durations are nanoseconds; 0 means inherited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(default, deserialize_with = "words")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, deserialize_with = "null_is_default")]
    pub interval: i64,
    /// For one check.
    #[serde(default, deserialize_with = "null_is_default")]
    pub timeout: i64,
    /// In which failures do not count.
    #[serde(default, deserialize_with = "null_is_default")]
    pub start_period: i64,
    /// Between two checks in the start period.
    #[serde(default, deserialize_with = "null_is_default")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(default, deserialize_with = "null_is_default")]
    pub retries: i64,
}

/// `rootfs` of an image config.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(default, rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    /// Digests of the layers' uncompressed tar streams, bottom first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// Who.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Anything.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// The step made no layer.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Parses a config blob. The error is a sentence without a full stop.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, String> {
        let config: ImageConfig =
            parse_object(bytes).map_err(|error| format!("the image config is not valid JSON for one: {error}"))?;
        if !matches!(config.rootfs.kind.as_str(), "layers" | "") {
            return Err(format!("the image's root file system is of type `{}`", config.rootfs.kind.escape_debug()));
        }
        Ok(config)
    }

    /// When it was built; None where the builder did not say so in RFC 3339.
    pub fn created(&self) -> Option<jiff::Timestamp> {
        self.created.as_ref()?.parse().ok()
    }

    /// Whom it is for, in canonical words.
    pub fn platform(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// A list, `null`, or one string (Docker's `strslice`).
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Words::Many(words)) => words,
        Some(Words::One(word)) => vec![word],
        None => Vec::new(),
    })
}

/// The keys of an object with empty values, or `null` (Go's way of writing a set).
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let set: Option<BTreeMap<String, serde::de::IgnoredAny>> = Option::deserialize(deserializer)?;
    Ok(set.unwrap_or_default().into_keys().collect())
}

fn as_keys<S: serde::Serializer>(set: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    let empty = serde_json::Map::new();
    serializer.collect_map(set.iter().map(|key| (key, &empty)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: &str = r#"{
        "created": "2024-09-06T22:20:07.123456789Z", "author": "ana", "architecture": "arm64", "os": "linux",
        "variant": "v8",
        "config": {
            "User": "1000:100", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Env": ["A=b", "C="],
            "Entrypoint": ["/bin/e"], "Cmd": "one", "Volumes": {"/data": {}}, "WorkingDir": "/w",
            "Labels": {"k": "v"}, "StopSignal": "SIGQUIT", "ArgsEscaped": true, "OnBuild": null,
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "Retries": 3},
            "Shell": ["/bin/bash", "-c"]
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
        "history": [{"created_by": "RUN x", "empty_layer": true}, {}]
    }"#;

    #[test]
    fn everything_is_read() {
        let config = ImageConfig::parse(FULL.as_bytes()).unwrap();
        assert_eq!(config.platform().to_string(), "linux/arm64");
        assert_eq!(config.created().unwrap().as_second(), 1_725_661_207);
        let inner = &config.config;
        assert_eq!(inner.user, "1000:100");
        assert_eq!(inner.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!(inner.cmd, ["one"]);
        assert_eq!(inner.entrypoint, ["/bin/e"]);
        assert_eq!(inner.volumes, ["/data"]);
        assert_eq!(inner.stop_signal.as_deref(), Some("SIGQUIT"));
        assert_eq!(inner.healthcheck.as_ref().unwrap().retries, 3);
        assert_eq!(config.rootfs.diff_ids.len(), 1);
        assert!(config.history[0].empty_layer && !config.history[1].empty_layer);
        let again = ImageConfig::parse(&serde_json::to_vec(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn nulls_are_empty() {
        let text = r#"{"created": null, "architecture": null, "config": {"Env": null, "Cmd": null, "Entrypoint": null,
            "Volumes": null, "Labels": null, "WorkingDir": null, "User": null, "ExposedPorts": null, "StopSignal": null,
            "Healthcheck": null, "Shell": null}, "rootfs": null, "history": null}"#;
        assert_eq!(ImageConfig::parse(text.as_bytes()).unwrap(), ImageConfig::default());
        assert_eq!(ImageConfig::parse(b"{\"config\":null}").unwrap(), ImageConfig::default());
    }

    #[test]
    fn damage_is_said() {
        for (text, word) in [
            ("", "not valid JSON"),
            ("[]", "not valid JSON"),
            (r#"{"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#, "64 digits"),
            (r#"{"rootfs":{"type":"windows"}}"#, "of type `windows`"),
            (r#"{"config":{"Env":"A=b"}}"#, "not valid JSON"),
        ] {
            let error = ImageConfig::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_damaged_config_panics(place in 0usize..1100, byte in any::<u8>()) {
            let mut text = FULL.as_bytes().to_vec();
            let place = place % text.len();
            text[place] = byte;
            let _ = ImageConfig::parse(&text);
            let _ = ImageConfig::parse(&text[..place]);
        }
    }
}
