use super::*;
use crate::cluster::subjects;

fn watched(prefixes: &[&str]) -> Watched {
    Watched::new(prefixes.iter().map(|prefix| Box::from(*prefix)))
}

#[test]
fn channels_match_whose_names_begin_so() {
    let some = watched(&["_.room:", "_.ro", "_.room:1", "b.", "_.workflow:7:"]);
    assert_eq!(some, watched(&["_.ro", "_.workflow:7:", "b."]));
    for tokens in ["_.ro", "_.room:1", "_.rp".replace('p', "o").as_str(), "b.x", "_.workflow:7:1"] {
        assert!(some.matches(tokens), "{tokens}");
    }
    for tokens in ["", "_", "_.", "_.r", "_.rp", "a.room:1", "b", "c.", "_.workflow:7"] {
        assert!(!some.matches(tokens), "{tokens}");
    }
    assert!(!Watched::default().matches("_.room:1"));
}

#[test]
fn a_name_that_is_escaped_begins_with_its_escaped_beginning() {
    for (prefix, name) in [("a.b", "a.b c"), ("ä", "äö"), ("%", "%20"), ("", "x")] {
        let prefix = subjects::tokens("s.1", prefix);
        assert!(watched(&[&prefix]).matches(&subjects::tokens("s.1", name)), "{prefix}");
        assert!(!watched(&[&prefix]).matches(&subjects::tokens("s", name)), "{prefix}");
    }
}
