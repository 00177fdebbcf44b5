//! Clients that connect and disconnect in every way while messages are delivered.

use super::*;

/// One client of the churn: connects, perhaps subscribes, and disconnects in one of several ways.
fn connect_and_leave<S: Read + Write>(stream: S, way: usize, socket: &TcpStream) {
    if way == 0 {
        return; // Without a close frame.
    }
    let mut client = upgrade(stream);
    if way > 1 {
        subscribe(&mut client, "churn");
    }
    match way {
        // Reset, with messages on the way.
        2 => socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap(),
        3 => {
            client.close(None).unwrap();
            while client.read().is_ok() {}
        }
        // FIN without a closing handshake.
        4 => socket.shutdown(std::net::Shutdown::Write).unwrap(),
        _ => {}
    }
}

fn churn(tls: bool) {
    let (server, client) = tls_configs(&rustls::version::TLS13);
    let tls_server = tls.then(|| TlsSource::new(server));
    // 400 clients, 64 slots: each slot is reused many times.
    let shards = Shards::start(1, Config::from(Service { tls: tls_server, ..Service::default() }));
    let address = shards.address;
    let clients: Vec<_> = (0..8)
        .map(|worker| {
            let config = Arc::clone(&client);
            std::thread::spawn(move || {
                for round in 0..50 {
                    let socket = TcpStream::connect(address).unwrap();
                    let (ours, way) = (socket.try_clone().unwrap(), (worker + round) % 6);
                    if tls {
                        let stream = StreamOwned::new(tls_client(Arc::clone(&config)), ours);
                        connect_and_leave(stream, way, &socket);
                    } else {
                        connect_and_leave(ours, way, &socket);
                    }
                }
            })
        })
        .collect();
    let mut published = 0;
    while !clients.iter().all(JoinHandle::is_finished) {
        shards.publish("churn", "on and on");
        published += 1;
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    let quotas = Arc::clone(&shards.quotas);
    let (report, totals) = shards.drain();
    assert_eq!((report.cut, quotas[0].in_use()), (0, 0), "after {published} messages");
    assert_eq!(totals.count(Count::Accepts), 400);
}

#[test]
fn churn_leaves_nothing_behind() {
    churn(false);
}

#[test]
fn churn_over_tls_leaves_nothing_behind() {
    churn(true);
}
