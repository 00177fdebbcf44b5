use uringcast_engine::Identity;

use super::*;

const SERVICE: ServiceId = ServiceId(0);

fn services() -> Vec<String> {
    vec!["a".into(), "b".into()]
}

fn revocation(subject: Subject, issued_before: Option<i64>) -> Revocation {
    Revocation { subject, issued_before, until: now() + 60 }
}

/// Whether a token is let in.
fn admits(all: &Revocations, service: u8, user: &str, jti: Option<&str>, iat: Option<i64>) -> bool {
    let identity = Identity { user: user.into(), issued: iat, ..Identity::default() };
    let mut admitted = None;
    let verified = Ok(Verified { identity, id: jti.map(Into::into) });
    all.judge(ServiceId(service), verified, |verdict| admitted = Some(verdict.is_ok()));
    admitted.expect("an answer")
}

#[test]
fn what_is_revoked_is_refused_and_nothing_else() {
    let all = Revocations::read(None, services()).unwrap();
    assert!(admits(&all, 0, "ann", Some("1"), Some(50)));
    all.revoke(SERVICE, &revocation(Subject::Jti("1".into()), None)).unwrap();
    assert!(!admits(&all, 0, "ann", Some("1"), Some(50)));
    assert!(admits(&all, 1, "ann", Some("1"), Some(50)), "another service's");
    assert!(admits(&all, 0, "ann", Some("2"), Some(50)) && admits(&all, 0, "1", None, None));

    let tokens = all.revoke(SERVICE, &revocation(Subject::User("ann".into()), Some(100))).unwrap();
    assert!(tokens.mean("ann", None, Some(99)) && tokens.mean("ann", None, None));
    assert!(!tokens.mean("ann", None, Some(100)) && !tokens.mean("bob", None, Some(1)));
    assert!(!admits(&all, 0, "ann", None, Some(99)) && admits(&all, 0, "ann", None, Some(100)));
    assert!(!admits(&all, 0, "ann", None, None), "it does not say when it was issued");
    assert!(admits(&all, 0, "bob", None, Some(99)));

    all.revoke(SERVICE, &revocation(Subject::User("ann".into()), Some(10))).unwrap();
    assert!(!admits(&all, 0, "ann", None, Some(99)), "an earlier time takes nothing back");
    all.revoke(SERVICE, &revocation(Subject::All, Some(20))).unwrap();
    assert!(!admits(&all, 0, "bob", None, Some(19)) && admits(&all, 0, "bob", None, Some(20)));
}

#[test]
fn a_revocation_ends_at_its_time_and_none_before() {
    let all = Revocations::read(None, vec!["a".into()]).unwrap();
    let over = Revocation { until: now(), ..revocation(Subject::User("ann".into()), None) };
    all.revoke(SERVICE, &over).unwrap();
    assert!(admits(&all, 0, "ann", None, None));
    for n in 0..MAX_REVOCATIONS - 1 {
        all.revoke(SERVICE, &revocation(Subject::Jti(n.to_string()), None)).unwrap();
    }
    // In the place of the one that has expired.
    all.revoke(SERVICE, &revocation(Subject::Jti("last".into()), None)).unwrap();
    let more = all.revoke(SERVICE, &revocation(Subject::Jti("more".into()), None));
    assert!(matches!(more, Err(RevokeError::Full)), "{more:?}");
    all.revoke(SERVICE, &revocation(Subject::Jti("0".into()), None)).unwrap();
    for jti in ["0", "last"] {
        assert!(!admits(&all, 0, "ann", Some(jti), None), "{jti} was not evicted");
    }
}

#[test]
fn a_service_of_several_leaves_half_of_the_places_to_the_others() {
    let all = Revocations::read(None, services()).unwrap();
    let jti = |n: usize| revocation(Subject::Jti(n.to_string()), None);
    let took = (0..=MAX_REVOCATIONS).take_while(|n| all.revoke(SERVICE, &jti(*n)).is_ok()).count();
    assert_eq!(took, MAX_REVOCATIONS / 2);
    all.revoke(ServiceId(1), &jti(0)).unwrap();
    assert!(!admits(&all, 1, "ann", Some("0"), None));
    all.revoke(SERVICE, &jti(0)).unwrap();
}

#[test]
fn the_file_brings_them_back_and_a_bad_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("revoked");
    let open = || Revocations::read(Some(path.clone()), services());
    let all = open().unwrap();
    all.prepare().unwrap();
    assert!(path.exists(), "a place where it cannot be written is found at start");
    all.revoke(ServiceId(1), &revocation(Subject::User("ann".into()), Some(100))).unwrap();
    all.revoke(SERVICE, &revocation(Subject::Jti("1".into()), None)).unwrap();
    let again = open().unwrap();
    assert!(!admits(&again, 1, "ann", None, Some(99)) && admits(&again, 1, "ann", None, Some(100)));
    assert!(!admits(&again, 0, "ann", Some("1"), None));

    let good = std::fs::read_to_string(&path).unwrap();
    for bad in [&good[..good.len() - 3], "{}", &good.replace("\"b\"", "\"c\"")] {
        std::fs::write(&path, bad).unwrap();
        let problem = open().unwrap_err().to_string();
        assert!(problem.contains("revocations_file"), "{problem}");
    }
    let nowhere = Revocations::read(Some("/nowhere/revoked".into()), services()).unwrap();
    assert!(nowhere.prepare().is_err());
}
