//! Image archives, whole and broken.

use super::*;
use crate::image::unpack::testing::TarBytes;
use serde_json::{Value, json};
use std::io::Write;

const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn layer() -> Vec<u8> {
    TarBytes::new().file("etc/motd", b"hello").finish()
}

fn config(architecture: &str, layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    json!({"architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
        .into_bytes()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// An OCI layout under construction: files by name.
#[derive(Default)]
struct Layout {
    files: Vec<(String, Vec<u8>)>,
    index: Vec<Value>,
}

impl Layout {
    fn blob(&mut self, bytes: &[u8]) {
        self.files.push((format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec()));
    }

    /// Adds an image; the descriptor of its manifest.
    fn image(&mut self, architecture: &str) -> Value {
        let (plain, packed) = (layer(), gzip(&layer()));
        let config = config(architecture, &[&plain]);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor(LAYER_TYPE, &packed)],
        })
        .to_string()
        .into_bytes();
        for bytes in [&packed, &config, &manifest] {
            self.blob(bytes);
        }
        descriptor("application/vnd.oci.image.manifest.v1+json", &manifest)
    }

    fn list(&mut self, mut descriptor: Value, name: Option<&str>, platform: Option<&str>) {
        if let Some(name) = name {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        if let Some(architecture) = platform {
            descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        }
        self.index.push(descriptor);
    }

    fn finish(mut self) -> Vec<(String, Vec<u8>)> {
        let index = json!({"schemaVersion": 2, "manifests": self.index});
        self.files.push(("index.json".into(), index.to_string().into_bytes()));
        self.files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        self.files
    }
}

fn tar(files: &[(String, Vec<u8>)]) -> TarBytes {
    files.iter().fold(TarBytes::new(), |tar, (name, bytes)| tar.file(name, bytes))
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64", None)
}

/// Opens bytes as a file of `kind`.
fn open(kind: ArchiveKind, bytes: &[u8], name: Option<&str>) -> Result<ImageArchive> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.tar");
    std::fs::write(&path, bytes).unwrap();
    ImageArchive::open(kind, &path, name, &amd64(), directory.path())
}

fn blob(archive: &ImageArchive, digest: &Digest, offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.read_blob(digest, offset).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Each layer's blob is what its descriptor says, from any offset.
fn check_layers(archive: &ImageArchive) {
    for layer in &archive.manifest.layers {
        let bytes = blob(archive, &layer.digest, 0);
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (layer.digest, layer.size));
        assert_eq!(blob(archive, &layer.digest, 10), bytes[10..]);
        assert_eq!(blob(archive, &layer.digest, layer.size + 5), b"");
    }
    assert_eq!(Digest::of(&archive.config_bytes), archive.manifest.config.digest);
    assert_eq!(Digest::of(&archive.manifest_bytes), archive.manifest_digest);
}

#[test]
fn an_oci_layout_is_read_from_directory_tar_and_compressed_tar() {
    let mut layout = Layout::default();
    let image = layout.image("amd64");
    layout.list(image, Some("1.0"), None);
    let files = layout.finish();

    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
    for (name, bytes) in &files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let opened = |name| ImageArchive::open(ArchiveKind::OciDirectory, directory.path(), name, &amd64(), Path::new("/"));
    check_layers(&opened(Some("1.0")).unwrap());
    assert_eq!(opened(None).unwrap().names, ["1.0"]);
    let failure = opened(Some("2.0")).unwrap_err();
    assert!(failure.cause.contains("`2.0`") && failure.cause.contains("it has 1.0"), "{failure}");

    let bytes = tar(&files).finish();
    for bytes in [gzip(&bytes), bytes] {
        let archive = open(ArchiveKind::OciArchive, &bytes, None).unwrap();
        check_layers(&archive);
        assert_eq!(archive.config.rootfs.diff_ids, [Digest::of(&layer())]);
    }
}

#[test]
fn of_several_images_one_is_named_and_of_several_platforms_one_fits() {
    let mut layout = Layout::default();
    for (architecture, name) in [("amd64", "one"), ("arm64", "two")] {
        let image = layout.image(architecture);
        layout.list(image, Some(name), None);
    }
    let bytes = tar(&layout.finish()).finish();
    assert_eq!(open(ArchiveKind::OciArchive, &bytes, Some("two")).unwrap().config.architecture, "arm64");
    let failure = open(ArchiveKind::OciArchive, &bytes, None).unwrap_err();
    assert!(failure.cause.contains("it has several: one, two"), "{failure}");

    let mut layout = Layout::default();
    for architecture in ["arm64", "amd64"] {
        let image = layout.image(architecture);
        layout.list(image, Some("same"), Some(architecture));
    }
    let bytes = tar(&layout.finish()).finish();
    for name in [None, Some("same")] {
        assert_eq!(open(ArchiveKind::OciArchive, &bytes, name).unwrap().config.architecture, "amd64");
    }

    // The same as one entry that is an index, as BuildKit writes it.
    let mut layout = Layout::default();
    let mut platforms = Layout::default();
    for architecture in ["arm64", "amd64"] {
        let image = platforms.image(architecture);
        platforms.list(image, None, Some(architecture));
    }
    let inner = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": platforms.index});
    let inner = inner.to_string().into_bytes();
    layout.files = platforms.files;
    layout.blob(&inner);
    layout.list(descriptor("application/vnd.oci.image.index.v1+json", &inner), Some("multi"), None);
    let archive = open(ArchiveKind::OciArchive, &tar(&layout.finish()).finish(), Some("multi")).unwrap();
    assert_eq!((&archive.config.architecture[..], &archive.names[..]), ("amd64", &["multi".to_owned()][..]));
}

fn saved(manifest: &Value) -> TarBytes {
    TarBytes::new().file("manifest.json", manifest.to_string().as_bytes())
}

#[test]
fn docker_save_is_read_with_plain_gzip_and_linked_layers() {
    let (first, second) = (layer(), TarBytes::new().dir("d").finish());
    let config = config("amd64", &[&first, &second, &first]);
    let manifest = json!([{"Config": "abc.json", "RepoTags": ["alpine:3.20"], "Layers": ["a/layer.tar", "b.tar.gz", "c/layer.tar"]}]);
    let bytes = saved(&manifest)
        .dir("a/")
        .file("a/layer.tar", &first)
        .file("b.tar.gz", &gzip(&second))
        .symlink("c/layer.tar", "../a/layer.tar")
        .file("abc.json", &config)
        .finish();
    for name in [None, Some("alpine:3.20"), Some("docker.io/library/alpine:3.20")] {
        let archive = open(ArchiveKind::DockerArchive, &bytes, name).unwrap();
        check_layers(&archive);
        let digests: Vec<Digest> = archive.manifest.layers.iter().map(|layer| layer.digest).collect();
        assert_eq!(digests, [Digest::of(&first), Digest::of(&gzip(&second)), Digest::of(&first)]);
        assert_eq!((archive.names.len(), archive.config_bytes == config), (1, true));
    }
    let failure = open(ArchiveKind::DockerArchive, &bytes, Some("alpine:3.21")).unwrap_err();
    assert!(failure.cause.contains("it has alpine:3.20"), "{failure}");
}

#[test]
fn broken_and_foreign_archives_are_told_what_they_are() {
    let mut layout = Layout::default();
    let image = layout.image("amd64");
    layout.list(image, None, None);
    let files = layout.finish();
    let whole = tar(&files).finish();
    let mut damaged = files.clone();
    let config_at = files.iter().position(|(_, bytes)| bytes.starts_with(br#"{"architecture"#)).unwrap();
    damaged[config_at].1[20] ^= 1;
    let without = |at: usize| {
        let mut files = files.clone();
        files.remove(at);
        tar(&files).finish()
    };
    let (oci, docker) = (ArchiveKind::OciArchive, ArchiveKind::DockerArchive);
    let gone = json!([{"Config": "abc.json", "Layers": ["../../etc/passwd"]}]);
    for (kind, bytes, word) in [
        (oci, b"no tar at all".repeat(100), "checksum"),
        (oci, Vec::new(), "empty"),
        (oci, whole[..2000].to_vec(), "cut off in"),
        (oci, gzip(&whole)[..500].to_vec(), "ends in the middle"),
        (oci, b"BZh91AY&SY".to_vec(), "bzip2"),
        (oci, tar(&damaged).finish(), "damaged"),
        (oci, without(config_at), "does not have it"),
        (oci, saved(&json!([])).finish(), "no index.json"),
        (docker, whole.clone(), "no manifest.json"),
        (docker, saved(&json!([])).finish(), "lists none"),
        (docker, saved(&json!({"Config": 1})).finish(), "manifest.json"),
        (docker, saved(&gone).file("abc.json", &config("amd64", &[&layer()])).finish(), "which is not there"),
        (docker, saved(&gone).file("abc.json", &config("amd64", &[])).finish(), "lists 1 layers, and the config 0"),
        (docker, saved(&gone).finish(), "names `abc.json`, which is not there"),
        (oci, TarBytes::new().file("index.json", b"{}").finish(), "schemaVersion"),
        (oci, TarBytes::new().file("index.json", br#"{"schemaVersion":2,"manifests":[]}"#).finish(), "lists none"),
    ] {
        let failure = open(kind, &bytes, None).expect_err(word);
        assert!(failure.to_string().contains(word), "wanted {word}: {failure}");
        assert!(failure.doing.starts_with("cannot read ") && failure.doing.contains("image.tar"), "{failure}");
    }
    let hint = open(docker, &whole, None).unwrap_err().hints;
    assert!(hint[0].contains("oci-archive:"), "{hint:?}");
}
