//! Keys that session tickets are sealed with. They rotate, serve all shards, outlive reloads so
//! that a storm of reconnects stays cheap, and go over to the process that takes over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use parking_lot::{Mutex, RwLock};
use rustls::server::ProducesTickets;
use uringcast_engine::handover::SecretBytes;
use zeroize::Zeroizing;

use super::client_auth::TrustAnchors;
use crate::limits::{TICKET_KEY_LIFE, TICKET_KEYS};

const NAME: usize = 16;
const SECRET: usize = 32;
/// Bytes of a key that goes over: digest of the trust anchors, name, secret, age in seconds (8,
/// little-endian).
const PORTABLE: usize = SHA256_OUTPUT_LEN + NAME + SECRET + 8;

/// The keys of a service's tickets. Clones are of the same keys.
#[derive(Clone, Default)]
pub struct TicketKeys(Arc<Mutex<Option<Anchored>>>);

struct Anchored {
    /// What the clients of resumed sessions were verified against: a resumed handshake verifies no
    /// certificate.
    anchors: TrustAnchors,
    ticketer: Arc<Ticketer>,
}

/// What seals tickets, and opens them.
#[derive(Debug)]
struct Ticketer(RwLock<Vec<TicketKey>>);

/// A key. The newest seals; the others open what was sealed with them.
struct TicketKey {
    name: [u8; NAME],
    secret: Zeroizing<[u8; SECRET]>,
    key: LessSafeKey,
    made_at: Instant,
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketKey").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketKeys").finish_non_exhaustive()
    }
}

impl TicketKeys {
    /// The keys for clients that were verified against `anchors`: other ones than before if that
    /// is another.
    ///
    /// # Errors
    /// Without randomness.
    pub(super) fn of(
        &self,
        anchors: TrustAnchors,
    ) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
        let mut known = self.0.lock();
        if let Some(known) = known.as_ref().filter(|known| known.anchors == anchors) {
            return Ok(Arc::clone(&known.ticketer) as _);
        }
        let key = TicketKey::random(Instant::now()).ok_or(rustls::Error::FailedToGetRandomBytes)?;
        let ticketer = Arc::new(Ticketer(RwLock::new(vec![key])));
        *known = Some(Anchored { anchors, ticketer: Arc::clone(&ticketer) });
        Ok(ticketer)
    }

    /// The keys as another process reads them.
    pub(crate) fn to_bytes(&self) -> SecretBytes {
        let known = self.0.lock();
        let Some(Anchored { anchors, ticketer }) = &*known else { return SecretBytes::default() };
        let (digest, keys) = (digest(anchors), ticketer.0.read());
        // Never grown, so that no copies of secrets are left behind.
        let mut bytes = Vec::with_capacity(keys.len() * PORTABLE);
        for key in &*keys {
            bytes.extend_from_slice(&digest);
            bytes.extend_from_slice(&key.name);
            bytes.extend_from_slice(&*key.secret);
            bytes.extend_from_slice(&key.made_at.elapsed().as_secs().to_le_bytes());
        }
        SecretBytes::new(bytes)
    }

    /// Opens tickets of another process too, and goes on with its newest key. Those for clients
    /// that were verified against other trust anchors are left out.
    ///
    /// # Errors
    /// Bytes that are no keys.
    pub(crate) fn take_over(&self, bytes: &[u8], now: Instant) -> Result<(), String> {
        let (all, rest) = bytes.as_chunks::<PORTABLE>();
        if !rest.is_empty() || all.len() > TICKET_KEYS {
            return Err("the keys of session tickets are not understood".to_owned());
        }
        let known = self.0.lock();
        let Some(Anchored { anchors, ticketer }) = &*known else { return Ok(()) };
        let digest = digest(anchors);
        let ours = all.iter().filter(|bytes| bytes.starts_with(&digest));
        let keys: Vec<_> = ours.filter_map(|bytes| TicketKey::read(bytes, now)).collect();
        if !keys.is_empty() {
            *ticketer.0.write() = keys;
        }
        Ok(())
    }
}

/// What anchors are told apart by.
fn digest(anchors: &TrustAnchors) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = Context::new(&SHA256);
    for anchor in anchors {
        context.update(&(anchor.len() as u64).to_le_bytes());
        context.update(anchor);
    }
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

impl TicketKey {
    /// `None` without randomness.
    fn random(now: Instant) -> Option<TicketKey> {
        let (mut name, mut secret) = ([0_u8; NAME], Zeroizing::new([0_u8; SECRET]));
        aws_lc_rs::rand::fill(&mut name).ok()?;
        aws_lc_rs::rand::fill(&mut secret[..]).ok()?;
        TicketKey::new(name, secret, now)
    }

    fn new(
        name: [u8; NAME],
        secret: Zeroizing<[u8; SECRET]>,
        made_at: Instant,
    ) -> Option<TicketKey> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*secret).ok()?);
        Some(TicketKey { name, secret, key, made_at })
    }

    fn read(bytes: &[u8; PORTABLE], now: Instant) -> Option<TicketKey> {
        let rest = &bytes[SHA256_OUTPUT_LEN..];
        let (name, rest) = rest.split_first_chunk()?;
        let (secret, age) = rest.split_first_chunk()?;
        let age = Duration::from_secs(u64::from_le_bytes(age.try_into().ok()?));
        TicketKey::new(*name, Zeroizing::new(*secret), now.checked_sub(age).unwrap_or(now))
    }
}

impl Ticketer {
    /// Adds a key when the newest has done its time, and forgets the oldest.
    fn rotate(&self, now: Instant) {
        let is_due = |keys: &[TicketKey]| {
            let newest = keys.first().map(|key| now.saturating_duration_since(key.made_at));
            newest.is_none_or(|age| age >= TICKET_KEY_LIFE)
        };
        if !is_due(&self.0.read()) {
            return;
        }
        let mut keys = self.0.write();
        // Without randomness the old key goes on.
        if is_due(&keys)
            && let Some(key) = TicketKey::random(now)
        {
            let is_old = |age: Duration| age >= TICKET_KEY_LIFE * TICKET_KEYS as u32;
            keys.retain(|key| !is_old(now.saturating_duration_since(key.made_at)));
            keys.insert(0, key);
            keys.truncate(TICKET_KEYS);
        }
    }

    fn seal(&self, plain: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.rotate(now);
        let keys = self.0.read();
        let newest = keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(newest.name);
        let tag = newest
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        Some([&newest.name[..], &nonce, &sealed, tag.as_ref()].concat())
    }

    fn open(&self, ticket: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.rotate(now);
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = self.0.read();
        let key = keys.iter().find(|key| key.name == *name)?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key.key.open_in_place(nonce, Aad::from(*name), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        (TICKET_KEY_LIFE * TICKET_KEYS as u32).as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, Instant::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, Instant::now())
    }
}

#[cfg(test)]
mod tests;
