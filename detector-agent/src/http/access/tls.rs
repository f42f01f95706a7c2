//! Certificate and key, and what is made of them.

use super::AccessError;
use super::file::{TlsFile, Version};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use x509_cert::der::Decode;

pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// The file.
    pub(super) certificate: PathBuf,
    /// Since 1970.
    pub(super) expires: Duration,
}

impl Tls {
    pub(super) fn load(
        config: &TlsFile,
        [certificate, key]: &[PathBuf; 2],
    ) -> Result<Self, AccessError> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| AccessError::new(certificate, error))?;
        let first = chain.first();
        let first = first.ok_or_else(|| AccessError::new(certificate, "no certificate in it"))?;
        let expires = expiry(certificate, first)?;
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|error| AccessError::new(key, error))?;
        let both = [
            (Version::Tls12, &version::TLS12),
            (Version::Tls13, &version::TLS13),
        ];
        let allowed = config.min_version..=config.max_version;
        let versions = both.iter().filter(|(each, _)| allowed.contains(each));
        let versions: Vec<_> = versions.map(|(_, version)| *version).collect();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions);
        let built = builder.and_then(|builder| {
            let builder = builder.with_no_client_auth();
            builder.with_single_cert(chain, key)
        });
        let mut built = built.map_err(|error| AccessError::new(certificate, error))?;
        built.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(built)),
            certificate: certificate.clone(),
            expires,
        })
    }

    pub(super) fn has_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.is_ok_and(|now| now > self.expires)
    }
}

fn expiry(path: &Path, certificate: &CertificateDer<'_>) -> Result<Duration, AccessError> {
    let certificate = x509_cert::Certificate::from_der(certificate.as_ref())
        .map_err(|error| AccessError::new(path, error))?;
    let validity = certificate.tbs_certificate().validity();
    Ok(validity.not_after.to_unix_duration())
}
