//! Uploads to a repository (OCI distribution-spec 1.1, "Push").
//!
//! A blob goes up in one PATCH of the whole and a closing PUT, as Docker does it, which every registry takes. Where the
//! connection breaks, the registry is asked how far it has come and gets the rest.

use super::{Again, Repository, announced_digest};
use crate::image::digest::Digest;
use crate::image::http::{RequestBody, Trouble, TroubleKind};
use std::fs::File;
use std::path::Path;
use ureq::http::header::{LOCATION, RANGE};
use ureq::http::{HeaderMap, Method, StatusCode};

/// What became of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Uploaded {
    /// The registry has it in this repository already.
    Exists,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was sent.
    Sent,
}

impl Repository {
    /// Whether the repository has a blob.
    pub(in crate::image) fn has_blob(&self, digest: &Digest) -> Result<bool, Trouble> {
        match self.request(&Method::HEAD, &format!("blobs/{digest}"), &[]) {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes sure that the repository has the blob of `size` bytes in the file at `path`; `others` are paths of
    /// repositories of the same registry that may have it.
    pub(in crate::image) fn put_blob(
        &self,
        digest: &Digest,
        size: u64,
        path: &Path,
        others: &[String],
    ) -> Result<Uploaded, Trouble> {
        if self.has_blob(digest)? {
            return Ok(Uploaded::Exists);
        }
        let mut location = None;
        for other in others {
            // The answer is that it is there now, or a place to send it to: the registry may not do it, or not for us.
            let start = format!("blobs/uploads/?mount={digest}&from={other}");
            let Ok(response) = self.post(&start) else { continue };
            if response.status() == StatusCode::CREATED {
                return Ok(Uploaded::Mounted);
            }
            location = Some(self.location(response.headers())?);
            break;
        }
        let location = match location {
            Some(location) => location,
            None => self.start_upload()?,
        };
        self.send_blob(digest, size, path, location)?;
        Ok(Uploaded::Sent)
    }

    fn start_upload(&self) -> Result<String, Trouble> {
        self.location(self.post("blobs/uploads/")?.headers())
    }

    fn post(&self, path: &str) -> Result<ureq::http::Response<ureq::Body>, Trouble> {
        // Empty, and saying so: some servers insist.
        self.request_body(&Method::POST, path, &[], RequestBody::Bytes(b""), Again::Yes)
    }

    fn send_blob(&self, digest: &Digest, size: u64, path: &Path, mut location: String) -> Result<(), Trouble> {
        let unreadable = |error: std::io::Error| self.wrong(format!("cannot read {}: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let (mut offset, mut tries) = (0, 0);
        while offset < size {
            let range = format!("{offset}-{}", size - 1);
            let headers = [("Content-Type", "application/octet-stream".to_owned()), ("Content-Range", range)];
            let body = RequestBody::File { file: &file, offset, length: size - offset };
            // A first and whole one needs no range, and not every registry likes to see one.
            let needed = if offset == 0 { &headers[..1] } else { &headers[..] };
            match self.request_body(&Method::PATCH, &location, needed, body, Again::No) {
                Ok(response) => {
                    location = self.location(response.headers()).unwrap_or(location);
                    offset = size;
                }
                Err(trouble) if trouble.kind == TroubleKind::Temporary => {
                    self.wait(&mut tries, None, trouble)?;
                    (location, offset) = self.resume(location)?;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let separator = if location.contains('?') { '&' } else { '?' };
        let end = format!("{location}{separator}digest={digest}");
        self.request_body(&Method::PUT, &end, &[], RequestBody::Bytes(b""), Again::Yes).map(|_| ())
    }

    /// How far an upload has come; a new one where the registry does not know of it any more.
    fn resume(&self, location: String) -> Result<(String, u64), Trouble> {
        match self.request(&Method::GET, &location, &[]) {
            Ok(response) => {
                let known = response.headers().get(RANGE).and_then(|value| value.to_str().ok());
                let last = known.and_then(|text| text.rsplit_once('-')?.1.parse::<u64>().ok());
                // `0-0` is what some say of nothing.
                let offset = last.filter(|last| *last > 0).map_or(0, |last| last + 1);
                Ok((self.location(response.headers()).unwrap_or(location), offset))
            }
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok((self.start_upload()?, 0)),
            Err(trouble) => Err(trouble),
        }
    }

    /// Puts a manifest under a tag or its digest.
    pub(in crate::image) fn put_manifest(
        &self,
        identifier: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, Trouble> {
        let wanted = Digest::of(bytes);
        let headers = [("Content-Type", media_type.to_owned())];
        let body = RequestBody::Bytes(bytes);
        let path = format!("manifests/{identifier}");
        let response = self.request_body(&Method::PUT, &path, &headers, body, Again::Yes)?;
        match announced_digest(response.headers()) {
            Some(other) if other != wanted => {
                Err(self.wrong(format!("it took the manifest as {other} instead of {wanted}")))
            }
            _ => Ok(wanted),
        }
    }

    fn location(&self, headers: &HeaderMap) -> Result<String, Trouble> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        location.map(str::to_owned).ok_or_else(|| self.wrong("it names no place to upload to"))
    }
}
