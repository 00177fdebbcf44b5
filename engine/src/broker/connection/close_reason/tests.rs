use super::*;
use crate::types::CloseCodes;

const ALL: [CloseReason; 24] = [
    CloseReason::Shutdown,
    CloseReason::Drain,
    CloseReason::MaxConnections,
    CloseReason::SlowConsumer,
    CloseReason::OutboxFull,
    CloseReason::LaggardMemory,
    CloseReason::Protocol("what was broken"),
    CloseReason::InvalidUtf8,
    CloseReason::NotInflated,
    CloseReason::MessageTooBig(0),
    CloseReason::MessageTimeout,
    CloseReason::KeepaliveTimeout,
    CloseReason::AuthMissing,
    CloseReason::AuthFailed,
    CloseReason::AuthRequired,
    CloseReason::AuthTimeout,
    CloseReason::AuthError,
    CloseReason::AuthBacklog,
    CloseReason::AuthOverload,
    CloseReason::TokenExpired,
    CloseReason::Expelled,
    CloseReason::CertificateRevoked,
    CloseReason::NoStream,
    CloseReason::Keys,
];

/// Code, code of the family, text and advice: the rows of the table in docs/PROTOCOL.md.
fn documented() -> Vec<(u16, u16, String, String)> {
    let text = include_str!("../../../../../docs/PROTOCOL.md");
    let (_, table) = text.split_once("| code | family | reason |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let code = cells[0].parse().ok()?;
        let family = cells[1].parse().unwrap_or(code);
        Some((code, family, cells[2].to_owned(), cells[4].to_owned()))
    };
    rows.filter_map(row).collect()
}

#[test]
fn every_reason_is_a_row_of_the_table_with_both_of_its_codes() {
    let documented = documented();
    for reason in ALL {
        let frame = |close_codes| reason.frame(&Service { close_codes, ..Service::default() });
        let ((own, text), (family, _)) = (frame(CloseCodes::Own), frame(CloseCodes::Family));
        let is_its = |row: &&(u16, u16, String, String)| {
            (row.0, row.1) == (own, family) && (row.2 == text || own == 1002)
        };
        assert_eq!(documented.iter().filter(is_its).count(), 1, "{reason:?} {own} {family} {text}");
    }
}

#[test]
fn a_code_of_the_server_s_own_tells_by_its_range_what_to_do() {
    let mut own = 0;
    for (code, family, _, advice) in documented() {
        let expected = match code {
            4000..=4099 => "never",
            4100..=4199 => "later",
            4200..=4299 => "now",
            _ => {
                assert_eq!(code, family, "a code of the registry is the same for all");
                continue;
            }
        };
        own += 1;
        assert!(advice.starts_with(expected), "{code}: {advice}");
        assert_eq!(family, 1008);
    }
    assert!(own > 8, "the rows were not found");
}
