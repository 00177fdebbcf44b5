use std::time::Duration;

use super::*;

/// Connections of these owners, each that many, unused for so many seconds.
fn open(all: &[(Option<&str>, usize, u64)], now: Instant) -> Open {
    let mut open = Open::default();
    for (owner, count, unused) in all {
        for _ in 0..*count {
            let (owner, used) = (owner.map(Box::from), now - Duration::from_secs(*unused));
            let connection = Connection { owner, used, is_answering: false, task: None };
            open.connections.insert(open.next, Arc::new(Mutex::new(connection)));
            open.next += 1;
        }
    }
    open
}

/// The owner that loses a connection for one more of `owner`.
fn loser(all: &[(Option<&str>, usize, u64)], owner: &str) -> Option<String> {
    let now = Instant::now() + Duration::from_secs(100);
    let open = open(all, now);
    let victim = open.victim(owner, now, MAX_HTTP_CONNECTIONS)?;
    let owner = open.connections[&victim].lock().owner.clone();
    owner.map(String::from)
}

#[test]
fn who_has_most_loses_an_idle_connection() {
    let all = [(Some("a"), 300, 5), (Some("b"), 212, 9), (None, 50, 60)];
    assert_eq!(loser(&all, "a").as_deref(), Some("a"));
    assert_eq!(loser(&all, "b").as_deref(), Some("a"));
    assert_eq!(loser(&all, "c").as_deref(), Some("a"));
    assert_eq!(loser(&[(Some(""), 512, 2)], "").as_deref(), Some(""));
}

#[test]
fn less_than_an_equal_share_is_kept_from_who_has_more() {
    let all = [(Some("a"), 500, 0), (Some("b"), 12, 9)];
    assert_eq!(loser(&all, "a"), None, "those of b are idle, and not for a");
    assert_eq!(loser(&all, "b").as_deref(), Some("b"), "an idle one goes first");
    let all = [(Some("a"), 500, 0), (Some("b"), 12, 0)];
    assert_eq!(loser(&all, "b").as_deref(), Some("a"), "a has more than half");
    assert_eq!(loser(&all, "a"), None);
    let all = [(Some("a"), 256, 0), (Some("b"), 256, 0)];
    assert_eq!(loser(&all, "b"), None, "all in use, and shared equally");
    assert_eq!(loser(&all, "c").as_deref(), Some("a"));
}

#[test]
fn what_is_longest_without_use_goes_first_and_nothing_that_is_being_answered() {
    let now = Instant::now() + Duration::from_secs(100);
    let open = open(&[(Some("a"), 1, 9), (Some("a"), 1, 8), (Some("a"), 510, 7)], now);
    assert_eq!(open.victim("a", now, MAX_HTTP_CONNECTIONS), Some(0));
    for number in [0, 1] {
        open.connections[&number].lock().is_answering = true;
        assert!(open.victim("a", now, MAX_HTTP_CONNECTIONS) > Some(number));
    }
}

#[test]
fn few_descriptors_are_few_places() {
    for (connections, new, admitted) in [(0, 1, 1), (28, 7, 21), (640, 128, 512), (512, 128, 384)] {
        let places = Places::new(connections, None);
        assert_eq!((places.most_new, places.most_admitted), (new, admitted), "{connections}");
    }
}

#[tokio::test]
async fn a_new_connection_finds_a_place_and_the_oldest_new_one_goes() {
    let places = Places::new(usize::MAX, None);
    let mut all: Vec<Place> = (0..NEW_HTTP_CONNECTIONS).map(|_| places.enter().unwrap()).collect();
    all[1].answer();
    all[2].admit("").unwrap();
    assert_eq!(places.open.lock().connections.len(), NEW_HTTP_CONNECTIONS);
    all.push(places.enter().unwrap());
    assert!(places.open.lock().connections.contains_key(&0), "there was room");
    let tasks: Vec<_> = all.iter().map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    all.iter().zip(&tasks).for_each(|(place, task)| place.served_by(task.abort_handle()));
    all.push(places.enter().unwrap());
    all.push(places.enter().unwrap());
    let left = |number: u64| places.open.lock().connections.contains_key(&number);
    assert!(!left(0) && left(1) && left(2) && !left(3) && left(4));
    tokio::task::yield_now().await;
    let ended: Vec<usize> = (0..tasks.len()).filter(|place| tasks[*place].is_finished()).collect();
    assert_eq!(ended, [0, 3]);
    drop(all);
    assert!(places.open.lock().connections.is_empty());
}
