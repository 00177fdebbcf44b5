use serde_json::json;

use super::*;

const LATER: i64 = 3_600;

fn of(user: &str, issued_before: i64, until: i64) -> Revocation {
    let subject = Subject::User(user.into());
    Revocation { subject, issued_before: Some(issued_before), until }
}

/// A message by which a node tells a revocation.
fn stored(service: &str, revocation: &Revocation, unix: i64) -> SharedMessage {
    let body = json(&RevokeBody::of(revocation, unix));
    let tail = Address::tail(REVOKE, service, "x");
    SharedMessage { tail, seq: 1, unix, node: String::new(), id: String::new(), body }
}

fn names() -> [String; 2] {
    ["game".into(), "shop".into()]
}

#[test]
fn a_revocation_is_read_as_it_was_told() {
    let (now, until) = (now(), now() + LATER);
    let all = [Subject::Jti("a".into()), Subject::User("ä\u{0}".into()), Subject::All];
    for (subject, issued_before) in all.into_iter().zip([None, Some(7), Some(8)]) {
        let told = Revocation { subject, issued_before, until };
        assert_eq!(revocation(&stored("game", &told, now)).unwrap(), told);
    }
}

#[test]
fn what_others_have_revoked_stays_so() {
    let now = now();
    let known = stored("game", &of("ann", 10, now + LATER), now);
    let revise = |new: &Revocation| match revised(new, Some(&known), now) {
        Change::Leave => None,
        Change::Store(body, _) => {
            let message = SharedMessage { body, ..known.clone() };
            Some(revocation(&message).unwrap())
        }
    };
    assert_eq!(revise(&of("ann", 9, now + 900)), None);
    let widest = Some(of("ann", 11, now + LATER));
    assert_eq!(revise(&of("ann", 11, now + 900)), widest);
    assert_eq!(revise(&of("ann", 5, now + 2 * LATER)), Some(of("ann", 10, now + 2 * LATER)));
}

#[test]
fn what_another_program_has_stored_is_replaced() {
    let new = of("ann", 10, now() + LATER);
    let mut strange = stored("game", &of("bob", 10, now() + LATER), now());
    assert!(matches!(revised(&new, Some(&strange), now()), Change::Store(..)));
    strange.body = Bytes::from_static(b"no JSON");
    assert!(matches!(revised(&new, Some(&strange), now()), Change::Store(..)));
    assert!(
        matches!(revised(&new, None, now()), Change::Store(_, Some(rest)) if rest.as_secs() > 3_590)
    );
}

#[test]
fn a_node_that_begins_knows_what_others_have_and_tells_what_they_lack() {
    let revocations = Revocations::read(None, names().into()).unwrap();
    let (own, until) = (of("own", 10, now() + LATER), now() + LATER);
    for one in [&own, &of("known", 10, until)] {
        assert!(revocations.learn([(ServiceId(1), one.clone())]).unwrap());
    }
    let messages = [
        stored("shop", &of("known", 10, until), now()),
        stored("game", &of("new", 10, until), now()),
        stored("no-such-service", &of("new", 10, until), now()),
        SharedMessage { tail: "nonsense".into(), ..stored("game", &own, now()) },
    ];
    let untold = revoke_before(&messages, &names(), &revocations).unwrap();
    assert_eq!(untold, [(ServiceId(1), own)]);
    let in_force = revocations.in_force();
    assert!(in_force.contains(&(ServiceId(0), of("new", 10, until))), "{in_force:?}");
    assert_eq!(in_force.len(), 3);
}

#[test]
fn what_others_were_not_told_is_no_success() {
    let answer = |others: Others| others.answer(("disconnected", 2.into()), json!({}));
    assert_eq!(answer(Others::None).unwrap().0, json!({"disconnected": 2}));
    assert_eq!(answer(Others::Told).unwrap().0, json!({"disconnected": 2, "others": "told"}));
    for why in [NotShared::Lost, NotShared::Full, NotShared::Contended] {
        let error = answer(Others::NotTold(why)).unwrap_err();
        assert_eq!((error.status().as_u16(), error.code), (503, "others_not_told"));
    }
}
