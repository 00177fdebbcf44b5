//! Handshakes that are the same each time, so that two sessions have the same keys, and cheap: the
//! key exchange, the signature and the random numbers are constants.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnectionData, Resumption, UnbufferedClientConnection};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup, aws_lc_rs as provided,
};
use rustls::kernel::KernelConnection;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, DigitallySignedStruct, Error,
    NamedGroup, ServerConfig, SignatureAlgorithm, SignatureScheme,
};

use crate::config::tapped;
use crate::shard::tls::TlsSession;
use crate::shard::tls::control_records::APPLICATION_DATA;

/// Of everything that should be random or secret.
const CONSTANT: [u8; 32] = [7; 32];

#[derive(Debug)]
struct Constant;

impl SecureRandom for Constant {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        bytes.fill(CONSTANT[0]);
        Ok(())
    }
}

impl SupportedKxGroup for Constant {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Constant))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Constant {
    fn complete(self: Box<Self>, _peer: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&CONSTANT[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &CONSTANT
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl SigningKey for Constant {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Constant))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Constant {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(CONSTANT.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl ServerCertVerifier for Constant {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

type Configs = (Arc<ServerConfig>, Arc<ClientConfig>);

/// Both sides' configurations with one of the three suites of TLS 1.3.
fn configs(suite: u8) -> &'static Configs {
    static CONFIGS: [OnceLock<Configs>; 3] = [const { OnceLock::new() }; 3];
    let suite = usize::from(suite) % CONFIGS.len();
    CONFIGS[suite].get_or_init(|| {
        let mut suites = provided::ALL_CIPHER_SUITES.iter().filter(|suite| suite.tls13().is_some());
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![*suites.nth(suite).expect("a suite of three")],
            kx_groups: vec![&Constant],
            secure_random: &Constant,
            ..provided::default_provider()
        });
        let certificate = CertificateDer::from(CONSTANT.to_vec());
        let certified = CertifiedKey::new(vec![certificate], Arc::new(Constant));
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        server.enable_secret_extraction = true;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Constant))
            .with_no_client_auth();
        client.enable_secret_extraction = true;
        client.resumption = Resumption::disabled();
        (tapped(&server), Arc::new(client))
    })
}

/// A session before its handshake. `keeps`: rustls makes its records.
pub(super) fn session(suite: u8, keeps: bool) -> TlsSession {
    TlsSession::new(Arc::clone(&configs(suite).0), keeps).expect("a good configuration")
}

/// A client before its handshake.
pub(super) fn client(suite: u8) -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(&configs(suite).1), name).expect("a good configuration")
}

/// Makes the handshake with a session. Returns what seals records as the client.
pub(super) fn connect_forger(suite: u8, session: &mut TlsSession) -> Forger {
    let name = "localhost".try_into().expect("a name");
    let config = Arc::clone(&configs(suite).1);
    let mut client = UnbufferedClientConnection::new(config, name).expect("a good configuration");
    let mut inbox = Vec::new();
    loop {
        let mut outbox = Vec::new();
        let UnbufferedStatus { discard, state } = client.process_tls_records(&mut inbox);
        let mut ended = false;
        match state.expect("a good handshake") {
            ConnectionState::EncodeTlsData(mut data) => {
                outbox.resize(4_096, 0);
                let length = data.encode(&mut outbox).expect("there is room");
                outbox.truncate(length);
            }
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(_) => ended = true,
            _ => {}
        }
        inbox.drain(..discard);
        if ended && inbox.is_empty() {
            break;
        }
        session.open(&mut outbox, &mut Vec::new()).expect("a good handshake");
        inbox.extend(session.take_pending());
    }
    let (secrets, schedule) = client.dangerous_into_kernel_connection().expect("it is established");
    Forger { sealing: Sealing::new(secrets.tx), schedule }
}

/// A client that can seal any record.
pub(super) struct Forger {
    sealing: Sealing,
    schedule: KernelConnection<ClientConnectionData>,
}

struct Sealing {
    key: LessSafeKey,
    iv: [u8; 12],
    seq: u64,
}

impl Sealing {
    fn new((seq, secrets): (u64, ConnectionTrafficSecrets)) -> Sealing {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => unreachable!("TLS 1.3 has no other suites here"),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).expect("a key of this algorithm");
        let iv = iv.as_ref().try_into().expect("all IVs have 12 bytes");
        Sealing { key: LessSafeKey::new(key), iv, seq }
    }
}

impl Forger {
    /// A record of this type, plaintext and padding.
    pub(super) fn seal(&mut self, kind: u8, plain: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = [plain, &[kind]].concat();
        inner.resize(inner.len() + padding, 0);
        let Sealing { key, iv, seq } = &mut self.sealing;
        let [high, low] = ((inner.len() + key.algorithm().tag_len()) as u16).to_be_bytes();
        let head = [APPLICATION_DATA, 3, 3, high, low];
        let mut nonce = *iv;
        nonce[4..].iter_mut().zip(seq.to_be_bytes()).for_each(|(byte, seq)| *byte ^= seq);
        *seq += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(head), &mut inner).expect("it can be sealed");
        [&head[..], &inner].concat()
    }

    /// Takes the next key, as after a KeyUpdate.
    pub(super) fn renew(&mut self) {
        self.sealing = Sealing::new(self.schedule.update_tx_secret().expect("there is a next"));
    }
}
