//! Whom TLS trusts: the machine's authorities, and what certs.d has for a host (containers-certs.d(5)).

use crate::error::{Doing, Failure, Result};
use std::path::Path;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, parse_pem};

/// Certificates of one host.
#[derive(Default)]
pub(super) struct HostCertificates {
    pub(super) authorities: Vec<Certificate<'static>>,
    pub(super) client: Option<ClientCert>,
}

/// Reads a folder of certs.d: `*.crt` are authorities, `NAME.cert` with `NAME.key` is the client's.
pub(super) fn read_certificates(folder: &Path) -> Result<HostCertificates> {
    let doing = || format!("cannot read {}", folder.display());
    let mut found = HostCertificates::default();
    for entry in std::fs::read_dir(folder).doing(doing)? {
        let path = entry.doing(doing)?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(read_pem(&path)?.0),
            Some("cert") => {
                let (chain, _) = read_pem(&path)?;
                let key_path = path.with_extension("key");
                let (_, key) = read_pem(&key_path)?;
                let key = key.ok_or_else(|| {
                    Failure::new(format!("cannot use {}", key_path.display()), "it holds no private key")
                })?;
                found.client = Some(ClientCert::new_with_certs(&chain, key));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The certificates and the private key in a PEM file.
fn read_pem(path: &Path) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let text = std::fs::read(path).doing(|| format!("cannot read {}", path.display()))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| Failure::new(format!("cannot use {}", path.display()), error))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(own) => key = Some(own),
            _ => {}
        }
    }
    Ok((certificates, key))
}

/// The machine's authorities. Those that cannot be read are passed over, as every TLS client does.
pub(super) fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::debug!("system certificates: {error}");
    }
    found.certs.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_and_mistakes_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), "").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not PEM").unwrap();
        assert!(read_certificates(folder.path()).unwrap().authorities.is_empty());
        std::fs::write(folder.path().join("client.cert"), "").unwrap();
        let error = read_certificates(folder.path()).err().unwrap();
        assert!(error.to_string().contains("client.key: "), "{error}");
    }
}
