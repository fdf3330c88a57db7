//! The options of the `local` volume driver, as compose files and `volume create --opt` have them.
//!
//! Docker's driver mounts `device` with the type `type` and the options `o`, as mount(8) would. Without
//! root that leaves two: a directory of the host (`type=none,o=bind,device=/dir`) and a tmpfs
//! (`type=tmpfs,o=size=…`). The first is mounted into each container that uses the volume; of the second
//! each container has its own.

use super::mount_options::{TmpfsOptions, VolumeOptions};
use super::values::Parsed;
use crate::rootfs::mount::{Mount, MountKind};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The words that Docker's driver takes, and which others each needs.
const NEEDS: [(&str, &[&str]); 3] = [("o", &["device", "type"]), ("device", &["type"]), ("type", &["device"])];

/// What lies behind a volume with these options: a bind or a tmpfs, its target without meaning. None where
/// the volume's own directory does.
///
/// # Errors
/// A sentence, in Docker's words where Docker has some.
pub fn backing(options: &BTreeMap<String, String>) -> Parsed<Option<Mount>> {
    let get = |name: &str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    if let Some(name) = options.keys().find(|name| !["type", "o", "device", "size"].contains(&name.as_str())) {
        return Err(format!("invalid option: \"{}\"", name.escape_debug()));
    }
    if options.contains_key("size") {
        return Err("quota size requested but no quota support".into());
    }
    let (kind, o) = (get("type"), get("o").unwrap_or(""));
    // Docker asks for a device, of which a tmpfs has none; Podman does not.
    let needs = if kind == Some("tmpfs") { &NEEDS[..1] } else { &NEEDS[..] };
    for (name, others) in needs {
        let missing =
            others.iter().find(|other| get(other).is_none() && !(kind == Some("tmpfs") && **other == "device"));
        if let (Some(_), Some(missing)) = (get(name), missing) {
            return Err(format!("missing required option: \"{missing}\""));
        }
    }
    let words: Vec<&str> = o.split(',').filter(|word| !word.is_empty()).collect();
    match kind {
        None => Ok(None),
        Some("tmpfs") => tmpfs(&words).map(Some),
        Some("none" | "bind") => bind(get("device").unwrap_or(""), &words).map(Some),
        Some(kind) => Err(format!(
            "without root a volume of type \"{}\" cannot be mounted: there is none (with o=bind) and tmpfs",
            kind.escape_debug()
        )),
    }
}

fn bind(device: &str, words: &[&str]) -> Parsed<Mount> {
    if !device.starts_with('/') {
        return Err(format!("the device \"{}\" is no absolute path", device.escape_debug()));
    }
    let mut options = VolumeOptions::default();
    for word in words {
        options.take(word)?;
    }
    if !words.iter().any(|word| matches!(*word, "bind" | "rbind")) {
        return Err("a volume of type none needs o=bind".into());
    }
    let mut kind = options.bind(PathBuf::from(device))?;
    if let MountKind::Bind { create_source, recursive, .. } = &mut kind {
        // Whatever the word: without root, mounts below the directory cannot be left out.
        (*create_source, *recursive) = (false, true);
    }
    Ok(Mount { target: "/".into(), kind, read_only: options.is_read_only() })
}

fn tmpfs(words: &[&str]) -> Parsed<Mount> {
    let mut options = TmpfsOptions::default();
    for word in words {
        let (key, value) = word.split_once('=').map_or((*word, None), |(key, value)| (key, Some(value)));
        options.take(key, value)?;
    }
    Ok(Mount { target: "/".into(), kind: options.kind(), read_only: options.is_read_only() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Parsed<Option<Mount>> {
        backing(&options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn binds_and_tmpfs_as_compose_files_write_them() {
        assert_eq!(parse(&[]), Ok(None));
        let bound = parse(&[("type", "none"), ("o", "bind,ro"), ("device", "/srv/data")]).unwrap().unwrap();
        assert!(bound.read_only);
        let MountKind::Bind { source, recursive, create_source, .. } = bound.kind else { panic!() };
        assert_eq!((source.to_str(), recursive, create_source), (Some("/srv/data"), true, false));
        let tmpfs = parse(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,uid=5")]).unwrap().unwrap();
        assert!(matches!(tmpfs.kind, MountKind::Tmpfs { size: Some(1_048_576), uid: Some(5), .. }), "{tmpfs:?}");
        assert!(parse(&[("type", "tmpfs"), ("o", "size=1m")]).unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_had_is_one_sentence() {
        for (options, words) in [
            (&[("nope", "1")][..], "invalid option: \"nope\""),
            (&[("type", "none")], "missing required option: \"device\""),
            (&[("device", "/x")], "missing required option: \"type\""),
            (&[("o", "bind")], "missing required option: \"device\""),
            (&[("type", "nfs"), ("device", ":/x"), ("o", "addr=1.2.3.4")], "without root"),
            (&[("type", "none"), ("device", "x"), ("o", "bind")], "no absolute path"),
            (&[("type", "none"), ("device", "/x"), ("o", "ro")], "needs o=bind"),
            (&[("type", "none"), ("device", "/x"), ("o", "bind,nope")], "invalid mode: nope"),
            (&[("type", "tmpfs"), ("o", "nope=1")], "invalid tmpfs option"),
            (&[("size", "1m")], "quota"),
        ] {
            let error = parse(options).unwrap_err();
            assert!(error.contains(words), "{options:?}: {error}");
        }
    }
}
