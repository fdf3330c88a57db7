//! Names in archives, made into paths beneath the destination: bytes in, bytes out, no I/O.

use super::header::Malformed;

/// A path relative to the destination: components joined by single slashes, none of them empty,
/// `.` or `..`; no slash in front. Empty for the destination itself.
pub type Relative = Vec<u8>;

/// Normalises a name of an archive. Leading slashes go, as with every tar; `..` is taken back against
/// the component before it, as podman and Docker do, and a name that climbs out of the destination is
/// refused.
pub fn normalize(name: &[u8]) -> Result<Relative, Malformed> {
    let mut path = Vec::with_capacity(name.len());
    for component in name.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if path.is_empty() {
                    return Err(format!("the name `{}` leads out of the layer", show(name)));
                }
                path.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
            }
            _ => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(component);
            }
        }
    }
    Ok(path)
}

/// The directory part and the last component; the directory part is empty at the top.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// `parent/name`
pub fn join(parent: &[u8], name: &[u8]) -> Relative {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

/// What a name means for the layers below (OCI image-spec "layer", "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// An entry like any.
    Plain,
    /// `.wh.NAME`: NAME, in the same directory, is deleted.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: nothing of the layers below is seen in its directory.
    Opaque,
    /// Any other `.wh..wh.` name is bookkeeping of aufs, and so is all beneath it.
    AufsMetadata,
}

const WHITEOUT: &[u8] = b".wh.";
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Tells what a normalised path means.
pub fn meaning(path: &[u8]) -> Result<Meaning<'_>, Malformed> {
    let (parent, name) = split(path);
    if parent.split(|byte| *byte == b'/').any(|component| component.starts_with(AUFS)) {
        return Ok(Meaning::AufsMetadata);
    }
    if name == OPAQUE {
        return Ok(Meaning::Opaque);
    }
    if name.starts_with(AUFS) {
        return Ok(Meaning::AufsMetadata);
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Meaning::Plain),
        Some(b"" | b"." | b"..") => Err(format!("the whiteout `{}` deletes no name", show(path))),
        Some(deleted) => Ok(Meaning::Whiteout(deleted)),
    }
}

/// A name as a message shows it: printable, and of bounded length.
pub fn show(name: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(name);
    if text.chars().count() <= LONGEST {
        return text.escape_debug().to_string();
    }
    format!("{}…", text.chars().take(LONGEST).collect::<String>().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_normalised() {
        for (name, path) in [
            ("a/b", "a/b"),
            ("./a//b/.", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("a/../b", "b"),
            ("a/b/../../c/", "c"),
            ("./", ""),
            ("/", ""),
        ] {
            assert_eq!(normalize(name.as_bytes()).unwrap(), path.as_bytes(), "{name}");
        }
        for name in ["..", "../a", "/..", "a/../../b", "a/./../.."] {
            assert!(normalize(name.as_bytes()).unwrap_err().contains("leads out"), "{name}");
        }
    }

    #[test]
    fn whiteouts_are_told_apart() {
        for (path, expected) in [
            ("a/file", Meaning::Plain),
            (".wh.file", Meaning::Whiteout(b"file")),
            ("a/.wh..hidden", Meaning::Whiteout(b".hidden")),
            ("a/.wh....", Meaning::Whiteout(b"...")),
            ("a/.wh..wh..opq", Meaning::Opaque),
            (".wh..wh.aufs", Meaning::AufsMetadata),
            (".wh..wh.plnk/123", Meaning::AufsMetadata),
            ("a/.whatever", Meaning::Plain),
        ] {
            assert_eq!(meaning(path.as_bytes()).unwrap(), expected, "{path}");
        }
        for path in [".wh.", "a/.wh..", "a/.wh..."] {
            assert!(meaning(path.as_bytes()).is_err(), "{path}");
        }
    }

    #[test]
    fn names_are_shown_safely() {
        assert_eq!(show(b"a\nb\xff\x1b[31m"), "a\\nb\u{fffd}\\u{1b}[31m");
        assert!(show(&[b'x'; 5000]).chars().count() <= 201);
    }

    proptest! {
        #[test]
        fn a_normalised_path_has_only_plain_components(name in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)) {
            if let Ok(path) = normalize(&name) {
                prop_assert!(path.is_empty() || path.split(|byte| *byte == b'/').all(|component| !matches!(component, b"" | b"." | b"..")));
                prop_assert_eq!(normalize(&path).unwrap(), path.clone());
                let _ = meaning(&path);
            }
        }
    }
}
