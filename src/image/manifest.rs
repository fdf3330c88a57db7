//! Manifests and indexes: OCI image-spec 1.1 and Docker's schema 2, told apart and checked.
//!
//! What a document is, its own `mediaType` says, else the registry's Content-Type, else its shape. A
//! document that could be read both ways is refused (CVE-2021-41190). An index is walked to the one
//! manifest that serves a platform.

use super::digest::Digest;
use super::platform::Platform;
use super::stream::Compression;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Media types of OCI image-spec 1.1 and of Docker's image manifest version 2, schema 2.
pub mod media_type {
    /// OCI image index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI image manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image config.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker image config.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Schema 1, which rr names to refuse it.
    pub const DOCKER_SCHEMA1: [&str; 2] = [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ];
    /// What rr tells registries it understands (the Accept header of a manifest's GET).
    pub const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];
}

/// Largest manifest or index, bytes: what registries accept (distribution-spec "Pushing manifests").
pub const MAX_MANIFEST: u64 = 4 << 20;
/// Largest image config, bytes.
pub const MAX_CONFIG: u64 = 8 << 20;

/// A pointer to content (OCI image-spec "descriptor").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it points to.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Length of the content, bytes.
    pub size: u64,
    /// In an index: who the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields rr does not know, kept where rr rewrites a document.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its own media type.
    pub media_type: String,
    /// The image config's blob.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
}

/// An index (OCI) or manifest list (Docker).
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Manifests and further indexes.
    pub manifests: Vec<Descriptor>,
}

/// What a registry answers to a manifest's GET.
#[derive(Debug, Clone, PartialEq)]
// One at a time, taken apart at once: a box would only make it harder to use.
#[allow(clippy::large_enum_variant)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// One image a platform.
    Index(Index),
}

/// The fields of both kinds, as they come.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    // Schema 1's.
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Parses `bytes`, which came with `content_type` (as in HTTP, parameters allowed). The error is a
    /// sentence without a full stop.
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, String> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| format!("the manifest is not valid JSON for one: {error}"))?;
        let content_type = content_type.and_then(|text| text.split(';').next()).map(str::trim);
        let media_type = raw.media_type.as_deref().filter(|text| !text.is_empty()).or(content_type).unwrap_or("");
        if media_type::DOCKER_SCHEMA1.contains(&media_type) || raw.schema_version == Some(1) || raw.fs_layers.is_some()
        {
            return Err("it is in Docker's old format, manifest schema 1, which rr does not read; \
                        push it again with a current tool"
                .into());
        }
        if raw.schema_version != Some(2) {
            return Err("the manifest has no `schemaVersion` 2".into());
        }
        let is_index = match media_type {
            media_type::OCI_INDEX | media_type::DOCKER_LIST => true,
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => false,
            // Plain files over HTTP come with a general type, or the document with a foreign one.
            _ if raw.media_type.is_none() => raw.manifests.is_some(),
            other => return Err(format!("`{}` is no media type of an image", other.escape_debug())),
        };
        let ambiguous = raw.manifests.is_some() && (raw.config.is_some() || raw.layers.is_some());
        if ambiguous {
            return Err("the document is an image and an index at once (CVE-2021-41190)".into());
        }
        if is_index {
            let manifests = raw.manifests.ok_or("the index has no `manifests`")?;
            return Ok(Document::Index(Index { manifests }));
        }
        let config = raw.config.ok_or("the manifest has no `config`")?;
        let own_type = match media_type {
            media_type::DOCKER_MANIFEST => media_type::DOCKER_MANIFEST,
            _ => media_type::OCI_MANIFEST,
        };
        let manifest = Manifest { media_type: own_type.to_owned(), config, layers: raw.layers.unwrap_or_default() };
        manifest.check_is_image(raw.artifact_type.as_deref())?;
        Ok(Document::Manifest(manifest))
    }
}

impl Manifest {
    /// Refuses what is stored like an image and is none: charts, signatures, models, SBOMs.
    fn check_is_image(&self, artifact_type: Option<&str>) -> Result<(), String> {
        match self.config.media_type.as_str() {
            media_type::OCI_CONFIG | media_type::DOCKER_CONFIG => {}
            // Docker accepts these too: registries once lost the type of configs.
            "" | "application/octet-stream" | "text/html" => {}
            other => {
                let kind = artifact_type.filter(|text| !text.is_empty()).unwrap_or(other);
                return Err(format!("it is no image but an artifact of type `{}`", kind.escape_debug()));
            }
        }
        match self.layers.iter().find_map(|layer| Compression::from_media_type(&layer.media_type).err()) {
            Some(error) => Err(format!("it cannot be unpacked: {error}")),
            None => Ok(()),
        }
    }

    /// The document.
    ///
    /// # Errors
    /// None: every value has a place in JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config,
            "layers": self.layers,
        }))
    }

    /// What the blobs take, bytes.
    pub fn blobs_size(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, layer| sum.saturating_add(layer.size))
    }
}

impl Index {
    /// The entry that serves `wanted` best. The error is a sentence that lists what there is.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, String> {
        let is_readable =
            |entry: &&Descriptor| media_type::ACCEPTED.contains(&entry.media_type.as_str()) && !is_attestation(entry);
        let entries = || self.manifests.iter().filter(is_readable);
        let nearest = entries()
            .filter_map(|entry| Some((wanted.distance(entry.platform.as_ref()?)?, entry)))
            .min_by_key(|(distance, _)| *distance);
        if let Some((_, entry)) = nearest {
            return Ok(entry);
        }
        // What does not say whom it serves may serve anyone; its config will tell.
        if let Some(entry) = entries().find(|entry| entry.platform.is_none()) {
            return Ok(entry);
        }
        let mut offered: Vec<String> =
            entries().filter_map(|entry| entry.platform.as_ref()).map(Platform::to_string).collect();
        offered.sort_unstable();
        offered.dedup();
        if offered.is_empty() {
            return Err("the index holds no image".into());
        }
        Err(format!("there is no image for {wanted}, only for {}", offered.join(", ").escape_debug()))
    }
}

/// BuildKit's attestations lie in the index as manifests for platform unknown/unknown.
fn is_attestation(entry: &Descriptor) -> bool {
    entry.annotations.contains_key("vnd.docker.reference.type")
        || entry.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
}

/// Parses a JSON object. (serde would also take an array, as the fields in their order.)
pub(super) fn parse_object<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        _ => Err("it is not an object".into()),
    }
}

/// Go's encoder writes `null` for what is empty, and its decoder takes it so.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn blob(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(b"").to_string(), "size": 7})
    }

    fn image(config: &str, layers: &[&str]) -> Value {
        json!({
            "schemaVersion": 2,
            "config": blob(config),
            "layers": layers.iter().map(|layer| blob(layer)).collect::<Vec<_>>(),
        })
    }

    fn parse(document: &Value, content_type: Option<&str>) -> Result<Document, String> {
        Document::parse(document.to_string().as_bytes(), content_type)
    }

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    #[test]
    fn documents_are_told_apart() {
        let mut document = image(media_type::OCI_CONFIG, &[LAYER, LAYER]);
        for content_type in [None, Some(media_type::OCI_MANIFEST), Some("application/json; charset=utf-8")] {
            match parse(&document, content_type).unwrap() {
                Document::Manifest(manifest) => assert_eq!((manifest.layers.len(), manifest.blobs_size()), (2, 21)),
                other => panic!("{other:?}"),
            }
        }
        document["layers"] = Value::Null;
        document["config"]["annotations"] = Value::Null;
        assert!(matches!(parse(&document, None), Ok(Document::Manifest(_))));
        let index = json!({"schemaVersion": 2, "manifests": []});
        for content_type in [None, Some(media_type::DOCKER_LIST)] {
            assert!(matches!(parse(&index, content_type), Ok(Document::Index(_))));
        }
    }

    #[test]
    fn what_is_no_image_is_refused_in_words() {
        let chart = image("application/vnd.cncf.helm.config.v1+json", &[LAYER]);
        let mut artifact = image("application/vnd.oci.empty.v1+json", &[LAYER]);
        artifact["artifactType"] = "application/spdx+json".into();
        let mut both = image(media_type::OCI_CONFIG, &[]);
        both["manifests"] = json!([]);
        for (document, content_type, word) in [
            (json!({"schemaVersion": 1, "fsLayers": []}), None, "schema 1"),
            (json!({"schemaVersion": 2}), Some(media_type::DOCKER_SCHEMA1[1]), "schema 1"),
            (chart, None, "artifact of type `application/vnd.cncf.helm.config.v1+json`"),
            (artifact, None, "artifact of type `application/spdx+json`"),
            (image(media_type::OCI_CONFIG, &["application/vnd.wasm"]), None, "cannot be unpacked"),
            (both, None, "CVE-2021-41190"),
            (json!({}), None, "schemaVersion"),
            (json!({"schemaVersion": 2}), None, "no `config`"),
            (json!({"schemaVersion": 2, "mediaType": "text/x"}), None, "`text/x` is no media type"),
            (json!({"schemaVersion": 2}), Some(media_type::OCI_INDEX), "no `manifests`"),
            (json!([]), None, "not valid JSON"),
        ] {
            let error = parse(&document, content_type).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let mut bad = image(media_type::OCI_CONFIG, &[]);
        bad["config"]["digest"] = "sha512:00".into();
        assert!(parse(&bad, None).unwrap_err().contains("sha512"));
        bad["config"]["size"] = json!(-1);
        assert!(parse(&bad, None).is_err());
    }

    fn index(platforms: &[&str]) -> Index {
        let entry = |text: &&str| {
            let mut value = blob(media_type::OCI_MANIFEST);
            if !text.is_empty() {
                let mut parts = text.split('/');
                value["platform"] = json!({"os": parts.next(), "architecture": parts.next(), "variant": parts.next()});
            }
            serde_json::from_value(value).unwrap()
        };
        Index { manifests: platforms.iter().map(entry).collect() }
    }

    #[test]
    fn the_platforms_own_image_is_chosen() {
        let all = index(&["linux/386", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "unknown/unknown"]);
        let chosen = |text: &str| all.choose(&text.parse().unwrap()).map(|entry| entry.platform.clone().unwrap());
        assert_eq!(chosen("linux/arm/v7").unwrap().variant.as_deref(), Some("v7"));
        assert_eq!(chosen("linux/arm/v6").unwrap().variant.as_deref(), Some("v6"));
        assert_eq!(chosen("linux/arm64").unwrap().architecture, "arm64");
        let error = chosen("linux/s390x").unwrap_err();
        assert!(error.contains("linux/s390x, only for linux/386, linux/arm/v6"), "{error}");
        assert!(!error.contains("unknown"), "{error}");
        assert!(index(&["", "linux/arm"]).choose(&"amd64".parse().unwrap()).unwrap().platform.is_none());
        assert!(index(&["unknown/unknown"]).choose(&Platform::host()).unwrap_err().contains("no image"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes, None);
        }

        #[test]
        fn no_damaged_manifest_panics(cut in 0usize..400, byte in any::<u8>()) {
            let mut text = image(media_type::OCI_CONFIG, &[LAYER]).to_string().into_bytes();
            let place = cut % text.len();
            text[place] = byte;
            let _ = Document::parse(&text, None);
            let _ = Document::parse(&text[..place], None);
        }
    }
}
