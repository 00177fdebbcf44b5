use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use uringcast_engine::{ChannelName, Config, Engine, EventName, JsonObject, Service, ServiceId};

use super::*;
use crate::http::idempotency::{Claim, IdempotencyTable, Owner};

fn engine() -> Engine {
    let service = Service { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Service::default() };
    Engine::start(Config { shards: Some(1), ..Config::from(service) }).unwrap()
}

fn channel() -> ChannelName {
    ChannelName::parse("c").unwrap()
}

fn publication() -> Publication {
    let event = EventName::parse("e").unwrap();
    Publication { channel: channel(), event, data: JsonObject::parse(b"{}").unwrap(), key: None }
}

/// Polls once.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_publisher_that_hangs_up_has_published() {
    let engine = engine();
    let queue = PublishQueue::start(engine.publisher(ServiceId(0)), EngineGate::default());
    let (table, now) = (IdempotencyTable::default(), Instant::now());
    let owner = Owner { key: "ci", service: ServiceId(0) };
    let claim = || table.claim(owner, &channel(), "a".into(), now);
    let Claim::New(reservation) = claim() else { panic!("it is new") };
    assert!(poll(queue.publish(publication(), Some(reservation))).is_pending());
    let Claim::Pending(result) = claim() else { panic!("it is under way") };
    assert_eq!(result.result().await, Ok(Seq(1)));
    assert!(matches!(claim(), Claim::Known(Seq(1))));
    engine.drain(Duration::from_secs(1));
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again() {
    let engine = engine();
    let queue = PublishQueue::start(engine.publisher(ServiceId(0)), EngineGate::default());
    // The queue's task does not run until this one waits.
    for _ in 0..PUBLISH_QUEUE {
        assert!(poll(queue.publish(publication(), None)).is_pending());
    }
    let refused = queue.publish(publication(), None).await;
    assert_eq!(refused, Err(PublishError::Saturated));
    tokio::task::yield_now().await;
    let seq = queue.publish(publication(), None).await.unwrap().unwrap();
    assert_eq!(seq, Seq(PUBLISH_QUEUE as u64 + 1));
    engine.drain(Duration::from_secs(1));
}
