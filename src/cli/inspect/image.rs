//! An image as Docker's `GET /images/{name}/json` has it.

use crate::cli::personality;
use crate::image::Image;
use crate::image::reference::Reference;
use serde_json::{Value, json};

/// The whole object.
pub fn object(image: &Image) -> Value {
    let config = &image.config;
    let last = config.history.last();
    let podman = personality::is_podman();
    let name = |name: &Reference| if podman { name.to_string() } else { name.familiar() };
    json!({
        "Id": if podman { image.id.hex() } else { image.id.to_string() },
        "RepoTags": image.names.iter().filter(|name| name.tag().is_some()).map(name).collect::<Vec<_>>(),
        "RepoDigests": repo_digests(image),
        "Parent": "",
        "Comment": last.map(|step| step.comment.clone()).unwrap_or_default(),
        "Created": config.created.clone().unwrap_or_default(),
        "Author": config.author,
        "Architecture": image.platform.architecture,
        "Variant": image.platform.variant.clone().unwrap_or_default(),
        "Os": image.platform.os,
        "Size": image.unpacked_size.unwrap_or(image.size),
        "Config": super::container::with_all_fields(&config.config),
        "RootFS": {
            "Type": "layers",
            "Layers": image.layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>(),
        },
        "GraphDriver": { "Name": "overlay", "Data": {} },
        "Digest": image.source_digest.to_string(),
    })
}

/// Each repository the image is known in, with the registry's digest.
fn repo_digests(image: &Image) -> Vec<String> {
    let repository = |name: &Reference| match personality::is_podman() {
        true => name.repository(),
        false => name.familiar_repository(),
    };
    let mut digests: Vec<String> =
        image.names.iter().map(|name| format!("{}@{}", repository(name), image.source_digest)).collect();
    digests.dedup();
    digests
}
