//! Certificates for tests, made on the spot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevokedCertParams, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use uringcast_server::certs::{self, Loaded, TicketKeys};
use uringcast_server::config::{Clients, Files, Identity, Tls};
use uringcast_server::settings::value::CertKey;
use uringcast_server::settings::{Problem, TlsVersion};

/// Both versions.
pub(crate) const BOTH: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;
pub(crate) const DAY: u64 = 86_400;

/// Certificate and key as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Issued {
    /// Writes NAME.pem and NAME.key.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> CertKey {
        let cert = super::file(dir, &format!("{name}.pem"), &self.cert);
        let key = super::file(dir, &format!("{name}.key"), &self.key);
        CertKey { cert: cert.into(), key: key.into() }
    }
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = subject(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for these names, the first of them its common name.
    pub(crate) fn server(&self, names: &[&str]) -> Issued {
        self.server_with(names, &PKCS_ECDSA_P256_SHA256, 365)
    }

    pub(crate) fn server_with(
        &self,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        days: u64,
    ) -> Issued {
        self.server_until(names, algorithm, SystemTime::now() + Duration::from_secs(days * DAY))
    }

    /// A server's certificate that has ended some days ago.
    pub(crate) fn server_ended(&self, names: &[&str], days: u64) -> Issued {
        let end = SystemTime::now() - Duration::from_secs(days * DAY);
        self.server_until(names, &PKCS_ECDSA_P256_SHA256, end)
    }

    fn server_until(
        &self,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        end: SystemTime,
    ) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = subject(&names[0]);
        params.not_after = end.into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params, &KeyPair::generate_for(algorithm).unwrap())
    }

    /// A client's certificate; one that has ended long ago if `ended`.
    pub(crate) fn client(&self, serial: u64, ended: bool) -> Issued {
        let mut params = CertificateParams::new(vec!["client".into()]).unwrap();
        params.distinguished_name = subject("client");
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if ended {
            params.not_after = (SystemTime::now() - Duration::from_secs(DAY)).into();
        }
        self.issue(&params, &KeyPair::generate().unwrap())
    }

    fn issue(&self, params: &CertificateParams, key: &KeyPair) -> Issued {
        Issued { cert: params.signed_by(key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// The list that revokes these serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let now = SystemTime::now();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + Duration::from_secs(DAY)).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// TLS with these certificates, the default first.
pub(crate) fn tls(pairs: Vec<CertKey>) -> Tls {
    let mut settings = ["cert_file", "key_file"];
    let mut files = Vec::new();
    for pair in pairs {
        files.push(Files { settings, pair });
        settings = ["certificate"; 2];
    }
    let min_version = TlsVersion::Tls12;
    Tls { identity: Identity::Files(files), clients: None, min_version }
}

/// TLS with a certificate of our own making.
pub(crate) fn auto(dir: &Path, names: &[String]) -> Tls {
    let identity = Identity::Auto { dir: dir.to_owned(), names: names.to_vec() };
    Tls { identity, clients: None, min_version: TlsVersion::Tls12 }
}

/// The same, and client certificates are verified.
pub(crate) fn with_clients(tls: Tls, ca: &str, crl: Option<&str>) -> Tls {
    let clients = Clients { ca: ca.into(), crl: crl.map(PathBuf::from) };
    Tls { clients: Some(clients), ..tls }
}

pub(crate) fn load(tls: &Tls) -> Result<Loaded, Problem> {
    certs::load(tls, &TicketKeys::default())
}

/// A client's configuration: the root that it trusts and its own certificate.
pub(crate) fn client(
    root: &str,
    identity: Option<&Issued>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Issued { cert, key }) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Makes the handshake of a client with a server, in memory.
pub(crate) fn shake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<ClientConnection, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client)
}
