//! The table of shares in docs/LIMITS.md. A name in braces is a constant of a limits file, so that
//! values are looked up.

use super::limits::Limits;
use super::{is_a_test, process_shares, report, shard_shares};

/// One shared thing. A dash is a share that does not exist; where these take no part, the cell is
/// empty.
pub(super) struct Share {
    /// What is shared, and by whom.
    pub(super) what: [&'static str; 2],
    /// The bound in bytes or places.
    pub(super) bound: &'static str,
    /// The share of one connection, one address, one key and one service.
    pub(super) connection: &'static str,
    pub(super) address: &'static str,
    pub(super) key: &'static str,
    pub(super) service: &'static str,
    /// What others find whatever these take.
    pub(super) kept: &'static str,
    /// `FILE::FUNCTION` of the tests that exhaust it.
    pub(super) tests: &'static [&'static str],
}

pub(super) const NONE: &str = "—";
pub(super) const REST: Share = Share {
    what: ["", ""],
    bound: "",
    connection: "",
    address: "",
    key: "",
    service: "",
    kept: NONE,
    tests: &[],
};

fn shares() -> impl Iterator<Item = &'static Share> {
    shard_shares::SHARES.iter().chain(process_shares::SHARES)
}

/// The section of docs/LIMITS.md.
pub(super) fn section(limits: &Limits) -> String {
    let mut page = String::from(
        "\n## Shares\n\nWhat clients, publishers and shards share, the part of it that one of them \
         may take, and the tests that exhaust it. A dash: there is no such share; an empty cell: \
         these take no part.\n\n\
         | what | shared by | bound | of a connection | of an address | of a key | of a service \
         | kept back | tests |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for share in shares() {
        let Share { what, bound, connection, address, key, service, kept, tests } = share;
        let cells = [what[0], what[1], bound, connection, address, key, service, kept];
        for cell in cells {
            page.push_str(&format!("| {} ", limits.with_values(cell)));
        }
        let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
        page.push_str(&format!("| {} |\n", tests.join(", ")));
    }
    page
}

#[test]
fn every_share_is_exhausted_by_a_test_that_exists() {
    let mut faults = Vec::new();
    for Share { what, tests, .. } in shares() {
        if tests.is_empty() {
            faults.push(format!("{}: no test exhausts it", what[0]));
        }
        let missing = tests.iter().filter(|test| !is_a_test(test));
        faults.extend(missing.map(|test| format!("{}: no test {test}", what[0])));
    }
    report(&faults);
}
