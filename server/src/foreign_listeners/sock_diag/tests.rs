use std::net::TcpListener;
use std::os::fd::AsFd;

use super::*;

#[test]
fn the_kernel_names_every_listener_and_nothing_else() {
    let sockets = ["127.0.0.1:0", "[::1]:0"].into_iter().filter_map(|a| TcpListener::bind(a).ok());
    let sockets: Vec<TcpListener> = sockets.collect();
    let connection = std::net::TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
    let all = listeners().unwrap();
    for socket in &sockets {
        let inode = rustix::fs::fstat(socket.as_fd()).unwrap().st_ino;
        assert!(all.contains(&(socket.local_addr().unwrap(), inode)), "{socket:?} in {all:?}");
    }
    let own = connection.local_addr().unwrap();
    assert!(all.iter().all(|(address, _)| *address != own));
}

#[test]
fn a_part_that_is_cut_is_not_read_beyond_its_end() {
    let mut bytes = vec![0; HEADER + ANSWER];
    bytes[..4].copy_from_slice(&((HEADER + ANSWER) as u32).to_ne_bytes());
    let (kind, content, rest) = message(&bytes).unwrap();
    assert!(kind == 0 && listener(content).is_some() && rest.is_empty());
    for end in 0..bytes.len() {
        assert!(message(&bytes[..end]).is_none(), "{end}");
    }
    assert!(listener(&bytes[..ANSWER - 1]).is_none());
}
