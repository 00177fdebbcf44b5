//! Tests that need kernel TLS are ignored by default; scripts/test runs them under
//! scripts/ktls-vm.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConnection, Stream, SupportedProtocolVersion};

use super::*;
use crate::broker::write_sink::{Flushed, Owed, Payload, WriteSink};
use crate::shard::delivery_ring::ktls::attach;
use crate::shard::delivery_ring::ring_config;
use crate::shard::io::Delivery;
use crate::shard::tests::fixtures::{
    client_bytes, client_reads, key, sockets, tls_client, tls_configs_of,
};
use crate::shard::tls::ktls_support::{self, CIPHERS};
use crate::shard::tls::{SlotTls, TlsSession};
use crate::shared_frame::Frame;
use crate::types::{Seq, Time};

use rustls::version::{TLS12, TLS13};

/// What this kernel accepts.
fn kernel() -> Kernel {
    Kernel::probe().expect("a kernel with TLS")
}

/// How long a read waits before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection in slot 0 with its keys in the kernel.
struct Rig {
    delivery: Delivery,
    client: ClientConnection,
    peer: TcpStream,
}

impl Rig {
    fn new(kernel: &Kernel, version: &'static SupportedProtocolVersion, cipher: usize) -> Rig {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| ktls_support::cipher(suite.suite()) == Some(cipher));
        Rig::with(kernel, version, provider)
    }

    fn with(
        kernel: &Kernel,
        version: &'static SupportedProtocolVersion,
        provider: CryptoProvider,
    ) -> Rig {
        let (server, client) = tls_configs_of(version, Arc::new(provider));
        let (mut session, mut client) =
            (TlsSession::new(server, true).unwrap(), tls_client(client));
        let mut established = false;
        while !established || client.is_handshaking() {
            let mut bytes = client_bytes(&mut client);
            established = session.open(&mut bytes, &mut Vec::new()).unwrap().established;
            client_reads(&mut client, &session.take_pending()).unwrap();
        }
        let (ours, peer) = sockets();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        attach(&ours).unwrap();
        assert!(session.fits_kernel(kernel));
        let mut delivery = Delivery::new(Ring::new(&ring_config(1)).unwrap(), 1, Instant::now());
        delivery.set_session(0, SlotTls::Kernel(session.into_ktls(&ours, kernel).unwrap()));
        delivery.ring.place(key(0).into(), &ours).unwrap();
        Rig { delivery, client, peer }
    }

    /// Writes one payload. Returns what is still to be sent.
    fn write(&mut self, payload: Payload) -> (Option<Owed>, Payload) {
        self.delivery.load(payload);
        let _ = self.delivery.push(0);
        let mut out = Flushed::default();
        self.delivery.flush(&mut out);
        (out.shorts.pop().map(|short| short.owed), out.payloads.pop().unwrap())
    }

    fn client_says(&mut self, bytes: &[u8]) {
        self.peer.write_all(bytes).unwrap();
    }

    /// Receives plain bytes as `io::receive` does; the result of the last receive.
    fn receive(&mut self, into: &mut Vec<u8>) -> i32 {
        self.delivery.ring.receive(key(0).into());
        loop {
            self.delivery.ring.wait();
            while let Some(completion) = self.delivery.ring.next() {
                if let Some(received) = completion.received {
                    into.extend_from_slice(self.delivery.ring.bytes(&received));
                    self.delivery.ring.give_back(received);
                }
                if !completion.more {
                    return completion.result;
                }
            }
        }
    }
}

fn frame(bytes: &[u8]) -> Payload {
    Payload::Frame(Rc::new(Frame::new(bytes.into(), Seq(1), Time(0), 1)), 0)
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 / 7) as u8).collect()
}

#[test]
fn every_suite_we_offer_has_a_cipher_of_the_kernel() {
    for suite in aws_lc_rs::default_provider().cipher_suites {
        assert!(ktls_support::cipher(suite.suite()).is_some(), "{suite:?}");
    }
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn every_version_and_cipher_goes_both_ways_through_the_kernel() {
    let kernel = kernel();
    for (v, version) in [&TLS12, &TLS13].into_iter().enumerate() {
        for cipher in 0..CIPHERS.len() {
            assert!(kernel.taken[v][cipher], "{version:?} {cipher}");
            let mut rig = Rig::new(&kernel, version, cipher);
            let sent = noise(40_000);
            let (owed, _) = rig.write(frame(&sent));
            assert_eq!(owed, None);
            assert_eq!(rig.delivery.ring.take_stats().send_completions, 0, "a whole send");
            let mut got = vec![0; sent.len()];
            Stream::new(&mut rig.client, &mut rig.peer).read_exact(&mut got).unwrap();
            assert!(got == sent, "{version:?} {cipher}");

            Stream::new(&mut rig.client, &mut rig.peer).write_all(&sent).unwrap();
            rig.client.send_close_notify();
            let bytes = client_bytes(&mut rig.client);
            rig.client_says(&bytes);
            got.clear();
            let end = rig.receive(&mut got);
            assert!(got == sent, "{version:?} {cipher}");
            assert_eq!(end, -libc::EIO, "a record that is not data");
            assert_eq!(rig.delivery.handle_control_record(0, libc::EIO), Some(ControlOutcome::Eof));
        }
    }
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_full_socket_owes_the_rest_and_the_stream_goes_on() {
    let kernel = kernel();
    let mut rig = Rig::new(&kernel, &TLS13, 0);
    let sent = noise(8 << 20);
    let (Some(Owed::After(mut taken)), mut payload) = rig.write(frame(&sent)) else {
        panic!("8 MiB fit no socket");
    };
    assert!(0 < taken && taken < sent.len());
    assert_eq!(rig.delivery.ring.take_stats().send_completions, 1);
    let Rig { mut delivery, mut client, mut peer } = rig;
    let len = sent.len();
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; len];
        Stream::new(&mut client, &mut peer).read_exact(&mut got).unwrap();
        (got, peer)
    });
    while taken < sent.len() {
        delivery.ring.poll_writable(key(0).into());
        delivery.ring.wait();
        assert!(delivery.ring.next().is_some());
        let Payload::Frame(shared, _) = payload else { unreachable!() };
        delivery.load(Payload::Frame(shared, taken));
        let _ = delivery.push(0);
        let mut out = Flushed::default();
        delivery.flush(&mut out);
        payload = out.payloads.pop().unwrap();
        taken += match out.shorts.pop().map(|short| short.owed) {
            None => sent.len() - taken,
            Some(Owed::After(more)) => more,
            other => panic!("{other:?}"),
        };
    }
    assert!(reader.join().unwrap().0 == sent, "nothing is lost or doubled");
}

#[test]
fn our_sends_are_counted_against_the_keys() {
    let mut delivery = Delivery::new(Ring::new(&ring_config(1)).unwrap(), 1, Instant::now());
    let (ours, _peer) = sockets();
    delivery.ring.place(key(0).into(), &ours).unwrap();
    for (version, wears) in [(&TLS12, true), (&TLS13, false)] {
        let (session, _) = crate::shard::tests::fixtures::handshake(version, usize::MAX);
        delivery.drop_session(0);
        delivery.set_session(0, session.into());
        delivery.record_limit = 3;
        for bytes in [1, 20_000] {
            assert!(delivery.exhausted.is_empty());
            delivery.load(frame(&noise(bytes)));
            let _ = delivery.push(0);
            delivery.flush(&mut Flushed::default());
        }
        // Those of TLS 1.3 are replaced in time.
        assert_eq!(std::mem::take(&mut delivery.exhausted), if wears { vec![0] } else { vec![] });
    }
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn sends_of_the_kernel_are_counted_against_the_keys() {
    let kernel = kernel();
    let mut rig = Rig::new(&kernel, &TLS13, 0);
    rig.delivery.record_limit = 3;
    for bytes in [1, 20_000] {
        assert!(rig.delivery.exhausted.is_empty());
        rig.write(frame(&noise(bytes)));
    }
    assert_eq!(rig.delivery.exhausted, [0]);
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn our_close_notify_ends_the_stream_cleanly() {
    let kernel = kernel();
    for version in [&TLS12, &TLS13] {
        let mut rig = Rig::new(&kernel, version, 0);
        rig.delivery.send_close(0);
        rig.delivery.ring.shutdown_write(key(0).into());
        rig.delivery.finish();
        let mut stream = Stream::new(&mut rig.client, &mut rig.peer);
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "{version:?}: a clean end");
    }
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_key_update_is_followed_or_told() {
    let kernel = kernel();
    let mut rig = Rig::new(&kernel, &TLS13, 1);
    rig.client.refresh_traffic_keys().unwrap();
    Stream::new(&mut rig.client, &mut rig.peer).write_all(b"with new keys").unwrap();
    assert_eq!(rig.receive(&mut Vec::new()), -libc::EIO);
    let taken = rig.delivery.handle_control_record(0, libc::EIO);
    if !kernel.rekeys {
        assert_eq!(taken, Some(ControlOutcome::KeysLost));
        assert_eq!(rig.write(frame(b"we can still write")).0, None);
        let mut got = [0; 18];
        Stream::new(&mut rig.client, &mut rig.peer).read_exact(&mut got).unwrap();
        return assert_eq!(&got, b"we can still write");
    }
    assert_eq!(taken, Some(ControlOutcome::Rekeyed));
    rig.client.send_close_notify();
    let bytes = client_bytes(&mut rig.client);
    rig.client_says(&bytes);
    let mut got = Vec::new();
    assert_eq!(rig.receive(&mut got), -libc::EIO);
    assert_eq!(got, b"with new keys");
    assert_eq!(rig.delivery.handle_control_record(0, libc::EIO), Some(ControlOutcome::Eof));
    assert_eq!(rig.write(frame(b"so have we")).0, None);
    let mut got = [0; 10];
    Stream::new(&mut rig.client, &mut rig.peer).read_exact(&mut got).unwrap();
    assert_eq!(&got, b"so have we");
}

/// What a client reads after it broke a record, up to the end of the connection.
fn client_error(rig: Rig) -> String {
    let Rig { delivery, mut client, mut peer } = rig;
    drop(delivery);
    Stream::new(&mut client, &mut peer).read(&mut [0; 8]).unwrap_err().to_string()
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_broken_record_is_a_fault() {
    let kernel = kernel();
    for version in [&TLS12, &TLS13] {
        let mut rig = Rig::new(&kernel, version, 0);
        rig.client.writer().write_all(b"to be broken").unwrap();
        let mut bytes = client_bytes(&mut rig.client);
        *bytes.last_mut().unwrap() ^= 1;
        rig.client_says(&bytes);
        assert_eq!(rig.receive(&mut Vec::new()), -libc::EBADMSG);
        assert_eq!(
            rig.delivery.handle_control_record(0, libc::EBADMSG),
            Some(ControlOutcome::Violation)
        );
        // Old kernels send no alert after this.
        eprintln!("{version:?}: the client reads: {}", client_error(rig));
    }
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_record_longer_than_allowed_gets_its_alert() {
    let kernel = kernel();
    let mut rig = Rig::new(&kernel, &TLS13, 0);
    rig.client_says(&[23, 3, 3, 0xff, 0xff]);
    rig.client_says(&noise(1_000));
    assert_eq!(rig.receive(&mut Vec::new()), -libc::EMSGSIZE);
    assert_eq!(
        rig.delivery.handle_control_record(0, libc::EMSGSIZE),
        Some(ControlOutcome::Violation)
    );
    let error = client_error(rig);
    assert!(error.contains("RecordOverflow"), "{error}");
}

#[test]
#[ignore = "needs kernel TLS: runs under scripts/ktls-vm"]
fn a_stream_that_ends_inside_a_record_is_an_end() {
    let kernel = kernel();
    let mut rig = Rig::new(&kernel, &TLS13, 0);
    rig.client.writer().write_all(b"to be cut").unwrap();
    let bytes = client_bytes(&mut rig.client);
    rig.client_says(&bytes[..bytes.len() - 1]);
    rig.peer.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    assert_eq!((rig.receive(&mut got), got.len()), (0, 0));
}
