//! One TLS configuration for all connections.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::NetError;

/// Cheap to clone: what is inside is shared, the session cache included.
#[derive(Clone)]
pub struct Tls {
    config: ClientConfig,
}

impl Tls {
    /// Trusts what the operating system trusts, and the certificates in these
    /// PEM files.  A system without any certificates is fine: then only the
    /// files count.
    pub fn new(extra_roots: &[PathBuf]) -> Result<Self, NetError> {
        // Another part of the process may have installed the provider; which
        // one does it makes no difference.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::warn!(%error, "a certificate of the operating system cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        for path in extra_roots {
            let broken = |problem: String| NetError::Roots {
                path: path.clone(),
                problem,
            };
            let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|error| broken(error.to_string()))?;
            if certificates.is_empty() {
                return Err(broken("there is no certificate in it".into()));
            }
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| broken(error.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError::Client(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config })
    }

    pub(crate) fn config(&self) -> ClientConfig {
        self.config.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roots.pem");
        for content in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, content).unwrap();
            let error = Tls::new(std::slice::from_ref(&path)).err().unwrap();
            assert!(error.to_string().contains("roots.pem"), "{error}");
        }
    }
}
