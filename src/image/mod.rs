//! Images: references, registries, archives, and what becomes of their layers.

mod access;
mod ahead;
pub mod archive;
mod assemble;
pub mod auth;
pub mod built;
mod challenge;
pub mod config;
pub mod digest;
pub mod dockerfile;
mod http;
mod import;
mod index;
mod local;
mod login;
pub mod manifest;
pub mod pack;
mod past_cache;
pub mod platform;
pub mod progress;
mod proxy;
mod pull;
mod push;
pub mod reference;
pub mod registries;
mod registry;
mod remove;
mod save;
pub mod stream;
#[cfg(test)]
mod testing;
mod transfer;
pub mod unpack;

pub use access::Access;
pub use assemble::{Format, NewImage, add_image, empty_config};
pub use auth::{Credentials, find_for as find_credentials};
pub use import::{ImportOptions, import, open_url};
pub use local::{Image, Layer, Listing, find, is_unpacked, list, resolve, tag};
pub use login::{Convention, CredentialFile, Kept, file_to_write};
pub use pull::{PullPolicy, PullRequest, load, pull};
pub use push::{Fate, check_login, push};
pub use remove::{Collected, Force, ImageUser, Removed, UsedLayer, collect_all_garbage, collect_garbage, remove};
pub use save::{ArchiveFormat, layer_size, save_to_directory, save_to_file};
pub use transfer::settle;
