use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_patterns_of_a_name_are_those_that_begin_it(
        texts in prop::collection::btree_set(("[ab:]{0,4}|ä[ab]{0,2}", 0..2u8), 0..30),
        name in "[ab:ä]{1,6}",
        service in 0..2u8,
    ) {
        let keys = texts.iter().map(|(text, service)| PatternKey {
            service: ServiceId(*service),
            prefix: text.as_str().into(),
        });
        let sorted: Vec<_> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        let channel = ChannelName::parse(&name).unwrap().at(ServiceId(service));
        let mut found = places(&sorted, |key| key, &channel);
        found.sort_unstable();
        let is_of = |key: &PatternKey| key.service.0 == service && name.starts_with(&*key.prefix);
        let wanted: Vec<_> = (0..sorted.len()).filter(|place| is_of(&sorted[*place])).collect();
        prop_assert_eq!(&found, &wanted);
        let set = PatternSet::new(sorted.into_iter());
        prop_assert_eq!(set.matches(&channel), !wanted.is_empty());
    }
}
