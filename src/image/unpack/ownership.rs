//! From the ids an archive has to those of the namespace that unpacks it.
//!
//! Every store is kept in one namespace (`launch::StoreNamespace`), whatever the map of the container a
//! layer is unpacked for. So an id goes a way of two steps: the container's map gives the host's id, and
//! the namespace's map gives what chown(2) has to be told here for it. Two kinds of extended attributes
//! hold ids as well: file capabilities name the root they belong to (capabilities(7), "Namespaced file
//! capabilities"), and access control lists name users and groups (acl(5)).

use crate::host::ids::{IdMap, IdMaps, InsideId};
use std::borrow::Cow;

/// The two maps, and who gets what has no id in the container.
#[derive(Debug, Clone)]
pub struct Ownership<'a> {
    container: &'a IdMaps,
    namespace: &'a IdMaps,
    root: (u32, u32),
}

/// What becomes of an attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// This is to be set.
    Set(Cow<'a, [u8]>),
    /// It speaks of ids that the container does not have.
    Meaningless,
}

/// VFS_CAP_REVISION_MASK and the revisions (linux/capability.h). The first word of the value is the
/// revision and flags, two pairs of words are the sets; the third revision ends with the root's id.
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const LENGTH_2: usize = 20;
const LENGTH_3: usize = 24;

/// Tags of ACL entries that have an id (linux/posix_acl.h); an entry is tag and permissions, two bytes
/// each, and the id (linux/posix_acl_xattr.h).
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;
const ACL_HEADER: usize = 4;
const ACL_ENTRY: usize = 8;

impl<'a> Ownership<'a> {
    /// For layers of a container with the maps `container`, unpacked in a namespace with `namespace`.
    ///
    /// # Errors
    /// The namespace does not have the container's first ids, so there is nobody to give files to.
    pub fn new(container: &'a IdMaps, namespace: &'a IdMaps) -> Result<Ownership<'a>, String> {
        let first = |from: &IdMap, to: &IdMap| {
            // Root, or without one (`keep-id` of a user with one id) the lowest there is.
            let inside = from.extents().first().map_or(InsideId(0), |extent| extent.inside);
            translate(from, to, inside).ok_or_else(|| format!("id {} of the container is none of yours", inside.0))
        };
        let root = (first(&container.users, &namespace.users)?, first(&container.groups, &namespace.groups)?);
        Ok(Ownership { container, namespace, root })
    }

    /// The way back, from this namespace to a container: for packing.
    pub fn back(container: &'a IdMaps, namespace: &'a IdMaps) -> Ownership<'a> {
        Ownership { container: namespace, namespace: container, root: (0, 0) }
    }

    /// Who owns what nobody in the container can own, in this namespace: the container's root, or where
    /// it has none, its first user.
    pub fn root(&self) -> (u32, u32) {
        self.root
    }

    /// A user of the archive in this namespace; None where the container has no such user.
    pub fn user(&self, id: u64) -> Option<u32> {
        translate(&self.container.users, &self.namespace.users, InsideId(u32::try_from(id).ok()?))
    }

    /// A group, likewise.
    pub fn group(&self, id: u64) -> Option<u32> {
        translate(&self.container.groups, &self.namespace.groups, InsideId(u32::try_from(id).ok()?))
    }

    /// What to tell fsetxattr(2) in this namespace. Values of other attributes, and such that are not of
    /// the right form, are passed on: the kernel judges those.
    pub fn attribute<'v>(&self, name: &[u8], value: &'v [u8]) -> Value<'v> {
        let translated = match name {
            b"security.capability" => self.capability(value),
            b"system.posix_acl_access" | b"system.posix_acl_default" => self.acl(value),
            _ => Some(Cow::Borrowed(value)),
        };
        translated.map_or(Value::Meaningless, Value::Set)
    }

    /// The kernel takes a value of the second revision for the root of the namespace it is set in, and
    /// honours it only below that root: so the container's root is named, which takes the third.
    fn capability<'v>(&self, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        let Some(magic) = word(value, 0) else { return Some(Cow::Borrowed(value)) };
        let root_inside = match (magic & REVISION_MASK, value.len()) {
            (REVISION_2, LENGTH_2) => 0,
            (REVISION_3, LENGTH_3) => word(value, LENGTH_2)?,
            _ => return Some(Cow::Borrowed(value)),
        };
        let root = self.user(root_inside.into())?;
        if root == 0 && value.len() == LENGTH_2 {
            return Some(Cow::Borrowed(value));
        }
        let mut third = value[..LENGTH_2].to_vec();
        third[..4].copy_from_slice(&(magic & !REVISION_MASK | REVISION_3).to_le_bytes());
        third.extend_from_slice(&root.to_le_bytes());
        Some(Cow::Owned(third))
    }

    fn acl<'v>(&self, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        if value.len() < ACL_HEADER || !(value.len() - ACL_HEADER).is_multiple_of(ACL_ENTRY) {
            return Some(Cow::Borrowed(value));
        }
        let mut acl = value.to_vec();
        for entry in acl[ACL_HEADER..].chunks_exact_mut(ACL_ENTRY) {
            let Some(id) = word(entry, 4) else { continue };
            let id = match u16::from_le_bytes([entry[0], entry[1]]) {
                ACL_USER => self.user(id.into())?,
                ACL_GROUP => self.group(id.into())?,
                _ => continue,
            };
            entry[4..].copy_from_slice(&id.to_le_bytes());
        }
        Some(Cow::Owned(acl))
    }
}

fn translate(from: &IdMap, to: &IdMap, inside: InsideId) -> Option<u32> {
    Some(to.to_container(from.to_host(inside)?)?.0)
}

/// The little-endian word at `offset`.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ids::{Extent, HostId};
    use proptest::prelude::*;

    fn maps(extents: &[(u32, u32, u32)]) -> IdMaps {
        let extent = |&(inside, outside, length): &(u32, u32, u32)| Extent {
            inside: InsideId(inside),
            outside: HostId(outside),
            length,
        };
        let map = IdMap::new(extents.iter().map(extent).collect()).unwrap();
        IdMaps { users: map.clone(), groups: map }
    }

    fn store() -> IdMaps {
        maps(&[(0, 1000, 1), (1, 100_000, 65_536)])
    }

    const CAPABILITY: [u8; LENGTH_2] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn capability_of(root: u32) -> Vec<u8> {
        let mut value = CAPABILITY.to_vec();
        value[3] = 3;
        value.extend_from_slice(&root.to_le_bytes());
        value
    }

    #[test]
    fn ids_go_by_the_host() {
        let store = store();
        // (the container's map, its root here, its user 5 here)
        for (container, root, five) in [
            (maps(&[(0, 1000, 1), (1, 100_000, 65_536)]), 0, Some(5)),
            // nomap
            (maps(&[(0, 100_000, 65_536)]), 1, Some(6)),
            // keep-id:uid=5
            (maps(&[(0, 100_000, 5), (5, 1000, 1), (6, 100_005, 65_531)]), 1, Some(0)),
            // One id, and it is not root's.
            (maps(&[(1000, 1000, 1)]), 0, None),
            (maps(&[(0, 100_010, 2), (5, 100_000, 1)]), 11, Some(1)),
        ] {
            let ownership = Ownership::new(&container, &store).unwrap();
            assert_eq!((ownership.root(), ownership.user(5), ownership.group(5)), ((root, root), five, five));
            assert_eq!(ownership.user(1 << 32), None);
        }
        assert!(Ownership::new(&maps(&[(0, 7, 1)]), &store).unwrap_err().contains("id 0 of the container"));
    }

    #[test]
    fn a_capability_names_the_containers_root() {
        let store = store();
        let value = |container: &IdMaps, value: &[u8]| match Ownership::new(container, &store)
            .unwrap()
            .attribute(b"security.capability", value)
        {
            Value::Set(value) => Some(value.into_owned()),
            Value::Meaningless => None,
        };
        assert_eq!(value(&store, &CAPABILITY).unwrap(), CAPABILITY);
        let nomap = maps(&[(0, 100_000, 65_536)]);
        assert_eq!(value(&nomap, &CAPABILITY).unwrap(), capability_of(1));
        assert_eq!(value(&nomap, &capability_of(4)).unwrap(), capability_of(5));
        assert_eq!(value(&nomap, &capability_of(70_000)), None);
        assert_eq!(value(&maps(&[(1000, 1000, 1)]), &CAPABILITY), None);
        // Revision 1, and nonsense.
        for odd in [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], b"", b"\0\0\0\x02"] {
            assert_eq!(value(&nomap, odd).unwrap(), odd);
        }
    }

    #[test]
    fn an_acl_names_users_and_groups() {
        let (store, nomap) = (store(), maps(&[(0, 100_000, 65_536)]));
        let ownership = Ownership::new(&nomap, &store).unwrap();
        let acl = |user: u32| {
            let entry = |tag: u16, id: u32| [&tag.to_le_bytes()[..], &[6, 0], &id.to_le_bytes()].concat();
            [&2_u32.to_le_bytes()[..], &entry(1, u32::MAX), &entry(ACL_USER, user), &entry(ACL_GROUP, user)].concat()
        };
        let of_33 = acl(33);
        assert_eq!(ownership.attribute(b"system.posix_acl_access", &of_33), Value::Set(Cow::Owned(acl(34))));
        assert_eq!(ownership.attribute(b"system.posix_acl_default", &acl(70_000)), Value::Meaningless);
        assert_eq!(ownership.attribute(b"user.acl", &acl(33)), Value::Set(Cow::Owned(acl(33))));
    }

    proptest! {
        #[test]
        fn any_value_is_no_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let (store, nomap) = (store(), maps(&[(0, 100_000, 65_536)]));
            let ownership = Ownership::new(&nomap, &store).unwrap();
            for name in ["security.capability", "system.posix_acl_access", "user.x"] {
                let _ = ownership.attribute(name.as_bytes(), &value);
            }
        }
    }
}
