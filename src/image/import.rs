//! `import`: a tar archive of a whole file system becomes an image of one layer.

use super::assemble::{Format, NewImage, add_image, empty_config};
use super::config::{ContainerConfig, History};
use super::http::{Agents, Patience};
use super::local::Image;
use super::pack::layer::LayerWriter;
use super::platform::Platform;
use super::reference::Reference;
use super::registries::Security;
use super::stream::{INPUT_BUFFER, auto_decoder};
use super::unpack::entries::Archive;
use crate::error::{Doing, Failure, Result};
use crate::host::dirs::Dirs;
use crate::store::Store;
use std::io::{self, BufReader, Read, Write};
use ureq::http::Method;

/// What an imported image is to be.
#[derive(Debug)]
pub struct ImportOptions<'a> {
    /// What it says about its containers.
    pub config: ContainerConfig,
    /// The comment in its history.
    pub message: String,
    /// Whom it is for; None is this machine.
    pub platform: Option<Platform>,
    /// What it is called.
    pub name: Option<&'a Reference>,
}

/// Makes an image of the archive that `reader` gives, plain or packed with gzip or zstd.
///
/// # Errors
/// The archive is none, or damaged, or cannot be read; the system's.
pub fn import(store: &Store, reader: &mut (dyn Read + Send), options: ImportOptions<'_>) -> Result<Image> {
    let doing = || "cannot import the archive";
    let _lock = store.lock_shared()?;
    let mut writer = LayerWriter::new(store)?;
    let (_, decoder) = auto_decoder(reader).doing(doing)?;
    let mut tee = Tee { reader: decoder, writer: &mut writer, bytes: 0 };
    // Read as an archive, so that what is none is refused now and not when a container is made of it.
    let mut buffered = BufReader::with_capacity(INPUT_BUFFER, &mut tee);
    let mut archive = Archive::new(&mut buffered);
    while archive.next_entry().doing(doing)?.is_some() {}
    io::copy(&mut tee, &mut io::sink()).doing(doing)?;
    if tee.bytes == 0 {
        return Err(Failure::new(doing(), "there is nothing in it"));
    }
    drop(tee);
    let layer = writer.publish(store)?;
    let mut config = empty_config();
    if let Some(platform) = options.platform {
        (config.os, config.architecture, config.variant) = (platform.os, platform.architecture, platform.variant);
    }
    config.config = options.config;
    config.created = Some(jiff::Timestamp::now().to_string());
    let history = History { created: config.created.clone(), comment: options.message, ..History::default() };
    let new = NewImage {
        base: None,
        config,
        layers: &[layer],
        history: vec![history],
        format: Format::Oci,
        names: options.name.map_or(&[], std::slice::from_ref),
    };
    add_image(store, new)
}

/// The body of what is at an address.
///
/// # Errors
/// It cannot be reached, or does not answer with a body.
pub fn open_url(dirs: &Dirs, url: &str) -> Result<Box<dyn Read + Send>> {
    let doing = || format!("cannot download {}", url.escape_debug());
    let agents = Agents::new(dirs, Patience::default());
    let response = agents.exchange(&Method::GET, url, &[], None, Security::Verified);
    let response = response.map_err(|trouble| trouble.while_doing(doing()))?;
    if !response.status().is_success() {
        return Err(Failure::new(doing(), format!("the server answers {}", response.status())));
    }
    Ok(Box::new(response.into_body().into_reader()))
}

/// Gives what is read to a writer too.
struct Tee<'a, W> {
    reader: Box<dyn Read + Send + 'a>,
    writer: &'a mut W,
    bytes: u64,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.writer.write_all(&buffer[..count])?;
        self.bytes += count as u64;
        Ok(count)
    }
}
