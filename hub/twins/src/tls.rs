//! A certificate for loopback, signed by a test authority that lives as long as
//! the process.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    #[error(transparent)]
    Use(#[from] rustls::Error),
}

pub(crate) struct TestCertificate {
    pub(crate) authority_pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

/// A new authority, and a server certificate of it for every name of loopback.
pub(crate) fn test_certificate() -> Result<TestCertificate, CertificateError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "Concord test authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;

    // The provider is named here, so that a process with two of them needs no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TestCertificate {
        authority_pem: authority.pem(),
        server: Arc::new(server),
    })
}
