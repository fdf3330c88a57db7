//! A blob that is read, and goes on where the connection broke.

use super::Repository;
use crate::image::digest::Digest;
use crate::image::http::{Trouble, TroubleKind, describe_body};
use crate::image::transfer::BlobSource;
use std::io::{self, Read};
use ureq::BodyReader;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use ureq::http::{HeaderMap, Method, StatusCode};

/// Bytes that must have come for a broken connection to count as the first one again.
const PROGRESS: u64 = 1 << 20;

/// Reads a blob and goes on where the connection broke.
pub(in crate::image) struct BlobReader<'a> {
    repository: &'a Repository,
    digest: Digest,
    size: u64,
    /// Of the next byte.
    offset: u64,
    body: Option<BodyReader<'static>>,
    /// Without [`PROGRESS`] in between.
    failures: u32,
    /// Where the last failure was.
    failed_at: u64,
    /// All bytes came, and nothing after them.
    ended: bool,
}

impl Repository {
    /// The bytes of a blob of `size` bytes from `offset` on. Nothing is asked before the first read. The
    /// reader's errors carry a [`Trouble`].
    pub(in crate::image) fn blob(&self, digest: &Digest, size: u64, offset: u64) -> BlobReader<'_> {
        BlobReader {
            repository: self,
            digest: *digest,
            size,
            offset,
            body: None,
            failures: 0,
            failed_at: 0,
            ended: false,
        }
    }
}

impl BlobReader<'_> {
    /// Asks for the bytes from `offset` on.
    fn open(&mut self) -> Result<BodyReader<'static>, Trouble> {
        let path = format!("blobs/{}", self.digest);
        let range = format!("bytes={}-", self.offset);
        let headers: &[(&str, String)] = if self.offset > 0 { &[("Range", range)] } else { &[] };
        let response = self.repository.request(&Method::GET, &path, headers)?;
        let from = if response.status() == StatusCode::PARTIAL_CONTENT {
            let from = range_start(response.headers());
            if from != Some(self.offset) {
                return Err(self.repository.wrong(format!("blob {}: it sends another range than asked", self.digest)));
            }
            self.offset
        } else {
            0
        };
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length != self.size - from) {
            let whole = length + from;
            return Err(self.repository.wrong(format!(
                "blob {} is {whole} bytes long there, and the manifest says {}",
                self.digest, self.size
            )));
        }
        let mut body = response.into_body().into_reader();
        // A registry without ranges starts over; what is known already is passed over.
        let known = self.offset - from;
        let skipped =
            io::copy(&mut body.by_ref().take(known), &mut io::sink()).map_err(|error| self.describe(error))?;
        if skipped < known {
            return Err(self.cut_off());
        }
        Ok(body)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        if self.body.is_none() {
            self.body = Some(self.open()?);
        }
        let Some(body) = &mut self.body else { return Ok(0) };
        let left = self.size - self.offset;
        // One byte more than is left is asked for, to see an end that does not come.
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX)).max(1);
        let count = match body.read(&mut buffer[..wanted]) {
            Ok(count) => count as u64,
            Err(error) => return Err(self.describe(error)),
        };
        match count {
            0 if left == 0 => self.ended = true,
            0 => return Err(self.cut_off()),
            _ if left == 0 => {
                return Err(self.repository.wrong(format!(
                    "blob {} does not end after the {} bytes the manifest says",
                    self.digest, self.size
                )));
            }
            _ => {}
        }
        self.offset += count;
        Ok(count as usize)
    }

    fn describe(&self, error: io::Error) -> Trouble {
        describe_body(self.repository.endpoint.host(), error, self.repository.agents.patience())
    }

    fn cut_off(&self) -> Trouble {
        self.repository.trouble(
            TroubleKind::Temporary,
            format!("blob {} ends after {} of {} bytes", self.digest, self.offset, self.size),
        )
    }
}

impl BlobSource for Repository {
    fn open(&self, digest: &Digest, size: u64, offset: u64) -> Result<Box<dyn Read + Send + '_>, Trouble> {
        Ok(Box::new(self.blob(digest, size, offset)))
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.read_some(buffer) {
                Ok(count) => {
                    if self.offset - self.failed_at >= PROGRESS {
                        self.failures = 0;
                    }
                    return Ok(count);
                }
                Err(trouble) if trouble.kind == TroubleKind::Temporary => {
                    self.body = None;
                    self.failed_at = self.offset;
                    self.repository.wait(&mut self.failures, None, trouble)?;
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }
}

/// Where the bytes of a 206 start: `bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
