//! Real sockets on loopback.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

use rustix::event::{PollFd, PollFlags, poll};

use super::*;

/// Listens as one service.
fn listen(addresses: &[SocketAddr], shards: usize) -> Result<Listening, StartError> {
    super::listen(std::iter::once(addresses), &[], &[], shards)
}

#[test]
fn inherited_sockets_are_used_all_of_them_and_shared_where_they_are_too_few() {
    let bound = |shards| {
        let all = listen(&[loopback()], shards).unwrap();
        let sockets = all.listeners.into_iter().flatten().map(|(_, socket)| Arc::new(socket));
        (all.addresses[0].1, sockets.collect::<Vec<_>>())
    };
    for (sockets, shards, by_shard) in [(1, 3, vec![1, 1, 1]), (3, 2, vec![2, 1])] {
        let (address, inherited) = bound(sockets);
        let of_both = [address, loopback()];
        let all = super::listen(std::iter::once(&of_both[..]), &inherited, &[], shards).unwrap();
        let here = |of_shard: &Vec<(ServiceId, TcpListener)>| {
            of_shard.iter().filter(|(_, socket)| socket.local_addr().unwrap() == address).count()
        };
        assert_eq!(all.listeners.iter().map(here).collect::<Vec<_>>(), by_shard);
        assert_eq!(all.addresses[0].1, address);
        assert_ne!(all.addresses[1].1, address, "the other is bound");
    }
}

/// An address for a test that frees a port and binds it again: no other test, nor another process
/// of this one, listens there.
pub(in crate::api) fn own_address(test: u32) -> SocketAddr {
    let below_loopback = (std::process::id() << 3 | test) & 0xff_ffff;
    (Ipv4Addr::from(0x7f00_0000 | below_loopback), 0).into()
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn refusal(addresses: &[SocketAddr]) -> (SocketAddr, ErrorKind, String) {
    let error = listen(addresses, 2).unwrap_err();
    let text = error.to_string();
    match error {
        StartError::Listen { address, source, .. } => (address, source.kind(), text),
        other => panic!("{other}"),
    }
}

#[test]
fn a_free_port_is_chosen_once_per_address_for_all_shards() {
    let all = listen(&[loopback(), loopback()], 3).unwrap();
    assert_eq!(all.addresses.len(), 2);
    assert_ne!(all.addresses[0].1.port(), all.addresses[1].1.port());
    assert_eq!(all.listeners.len(), 3);
    for of_shard in &all.listeners {
        let here: Vec<_> =
            of_shard.iter().map(|(of, socket)| (*of, socket.local_addr().unwrap())).collect();
        assert_eq!(here, all.addresses);
    }
}

#[test]
fn a_port_that_another_engine_listens_on_is_not_shared() {
    let first = listen(&[own_address(4)], 2).unwrap();
    let (address, kind, text) = refusal(&[first.addresses[0].1]);
    assert_eq!((address, kind), (first.addresses[0].1, ErrorKind::AddrInUse));
    assert!(text.contains("Stop what listens there"), "{text}");
    let everywhere = (Ipv4Addr::UNSPECIFIED, first.addresses[0].1.port()).into();
    assert_eq!(refusal(&[everywhere]).1, ErrorKind::AddrInUse);
    drop(first);
    listen(&[address], 2).expect("the port is free again");
}

#[test]
fn a_port_that_another_program_listens_on_is_an_error() {
    let other = TcpListener::bind(loopback()).unwrap();
    assert_eq!(refusal(&[other.local_addr().unwrap()]).1, ErrorKind::AddrInUse);
}

#[test]
fn an_address_named_twice_is_an_error() {
    let port = listen(&[own_address(5)], 1).unwrap().addresses[0].1;
    assert_eq!(refusal(&[port, port]).1, ErrorKind::AddrInUse);
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let foreign = "192.0.2.1:0".parse().unwrap();
    let (address, kind, text) = refusal(&[foreign]);
    assert_eq!((address, kind), (foreign, ErrorKind::AddrNotAvailable));
    assert!(text.contains("Choose an address"), "{text}");
}

#[test]
fn both_wildcards_can_have_the_same_port() {
    // A port that is free for IPv6 may be in use for IPv4: then another one is tried.
    for patience in (0..20).rev() {
        let Some(port) = free_port_of_ipv6() else { return };
        let both = [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
        let Ok(_both) = listen(&both, 2) else {
            assert!(patience > 0, "no port is free for both");
            continue;
        };
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        return;
    }
}

/// `None` on a machine without IPv6.
fn free_port_of_ipv6() -> Option<u16> {
    match listen(&[(Ipv6Addr::LOCALHOST, 0).into()], 1) {
        Err(error) if error.to_string().contains("Address family not supported") => None,
        other => Some(other.unwrap().addresses[0].1.port()),
    }
}

#[test]
fn the_wildcard_of_ipv6_takes_ipv4_too_where_no_address_of_ipv4_is_named() {
    if free_port_of_ipv6().is_none() {
        return;
    }
    let all = listen(&[(Ipv6Addr::UNSPECIFIED, 0).into()], 2).unwrap();
    let port = all.addresses[0].1.port();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    let other = [(Ipv6Addr::UNSPECIFIED, 0).into(), own_address(6)];
    let port = listen(&other, 1).map(|all| all.addresses[0].1.port()).unwrap();
    // The listeners are gone with the list: one that stays is bound to IPv6 alone.
    let other = [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), other[1]];
    let _all = listen(&other, 1).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
}

#[test]
fn the_kernel_spreads_connections_over_all_shards() {
    const CONNECTIONS: usize = 200;
    let all = listen(&[loopback()], 3).unwrap();
    let connect = |_| TcpStream::connect(all.addresses[0].1).unwrap();
    let _clients: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
    let mut accepted = vec![0; all.listeners.len()];
    while accepted.iter().sum::<usize>() < CONNECTIONS {
        let sockets = all.listeners.iter().map(|of_shard| &of_shard[0]);
        let mut ready: Vec<_> = sockets.map(|s| PollFd::new(&s.1, PollFlags::IN)).collect();
        poll(&mut ready, None).unwrap();
        for (count, of_shard) in accepted.iter_mut().zip(&all.listeners) {
            *count += std::iter::from_fn(|| of_shard[0].1.accept().ok()).count();
        }
    }
    assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
}

#[test]
fn accepted_sockets_inherit_that_nothing_waits_for_more_bytes() {
    let all = listen(&[loopback()], 1).unwrap();
    let _client = TcpStream::connect(all.addresses[0].1).unwrap();
    all.listeners[0][0].1.set_nonblocking(false).unwrap();
    let (accepted, _) = all.listeners[0][0].1.accept().unwrap();
    assert!(accepted.nodelay().unwrap());
}
