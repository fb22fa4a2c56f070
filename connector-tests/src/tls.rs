//! Certificates, and both ends of TLS.

use std::sync::Arc;

use rcgen::CertifiedKey;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Somebody who has a certificate for one name.
#[derive(Debug)]
pub struct Host {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Host {
    /// Somebody of that name.
    ///
    /// # Panics
    ///
    /// If no certificate can be made.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        Self { certificate: cert.der().clone(), key }
    }

    /// His end of a connection.
    ///
    /// # Panics
    ///
    /// If the certificate is of no use.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider's protocols")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("a certificate with its key");
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Trusts these, each for his own name.
///
/// # Panics
///
/// If a certificate is of no use.
#[must_use]
pub fn trusting(hosts: &[&Host]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for host in hosts {
        roots.add(host.certificate.clone()).expect("a certificate");
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's protocols")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The other end, which trusts these.
#[must_use]
pub fn connector(hosts: &[&Host]) -> TlsConnector {
    TlsConnector::from(Arc::new(trusting(hosts)))
}
