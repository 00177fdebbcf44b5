//! An engine inside a program of its own: it tells the time once a second.
//!
//! `cargo run --example embed [-- --for SECONDS]`, then connect any WebSocket client and send
//! `{"type":"subscribe","room":"clock:seconds"}`. Ctrl-C drains and ends it.

use std::error::Error;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use uringcast_engine::{
    ChannelName, Config, Engine, EventName, JsonObject, Publication, Publisher, Service, ServiceId,
};

fn main() -> Result<(), Box<dyn Error>> {
    let runs_for = runs_for()?;
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = stop.send(());
    })?;

    let engine = Engine::start(Config::from(Service {
        name: "clock".into(),
        listen: vec!["127.0.0.1:0".parse()?],
        ..Service::default()
    }))?;
    for address in engine.local_addrs() {
        println!("listening on ws://{address} with {} shards", engine.shards());
    }

    let (quit, quitting) = mpsc::channel();
    let publisher = engine.publisher(ServiceId(0));
    let clock = thread::spawn(move || tell_the_time(&publisher, &quitting));

    // Both ways out are fine: the signal, or the time being over.
    match runs_for {
        Some(time) => drop(stopped.recv_timeout(time)),
        None => drop(stopped.recv()),
    }
    drop(quit);
    clock.join().map_err(|_| "the publishing thread panicked")?;
    let report = engine.drain(Duration::from_secs(10));
    println!("drained: {} connections closed, {} cut", report.closed, report.cut);
    Ok(())
}

fn runs_for() -> Result<Option<Duration>, Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => Ok(None),
        [flag, seconds] if flag == "--for" => {
            let seconds = seconds.parse().map_err(|_| format!("--for {seconds}: not a number"))?;
            Ok(Some(Duration::from_secs(seconds)))
        }
        _ => Err("usage: embed [--for SECONDS]".into()),
    }
}

/// Publishes once a second until `quitting` is hung up.
fn tell_the_time(publisher: &Publisher, quitting: &mpsc::Receiver<()>) {
    for second in 0_u64.. {
        match publisher.try_publish(tick(second)) {
            // The ticket may be dropped; waiting on it tells the position.
            Ok(ticket) => match ticket.wait() {
                Ok(seq) => println!("published second {second} as seq {seq}"),
                Err(lost) => println!("lost second {second}: {lost}"),
            },
            Err(saturated) => println!("skipped second {second}: {saturated}"),
        }
        let pause = quitting.recv_timeout(Duration::from_secs(1));
        if pause == Err(mpsc::RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn tick(second: u64) -> Publication {
    let data = format!(r#"{{"second":{second}}}"#);
    Publication {
        channel: ChannelName::parse("clock:seconds").expect("a valid name"),
        event: EventName::parse("clock.tick").expect("a valid name"),
        data: JsonObject::parse(data.as_bytes()).expect("a JSON object"),
        key: None,
    }
}
