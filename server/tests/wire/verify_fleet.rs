//! `verify` on a server with several services, and on session-buddy's protocol.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::common::file;
use crate::support::verify::{all_pass, command, flags, flags_of, report, verdict};
use crate::support::{Server, free_ports};

#[test]
fn each_service_of_a_healthy_fleet_passes_and_another_s_metrics_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let ports = free_ports(3);
    let presets = ["akosha", "dhruva", "session-buddy"];
    let entry = |(preset, port): (&&str, &u16)| {
        format!("[[service]]\npreset = '{preset}'\nmetrics_port = {port}\n")
    };
    let text: String = presets.iter().zip(&ports).map(entry).collect();
    let config = file(dir.path(), "fleet.toml", &text);
    let server = Server::start_on(&format!("--config={config} --port=0 --control-port=0"));
    for (place, (preset, port)) in presets.iter().zip(&ports).enumerate() {
        let (code, report) = report(command(&flags_of(&server, place, *port)));
        all_pass(&report);
        assert_eq!(code, 0, "{preset}: {report:#}");
        let broadcast = verdict(&report, "broadcast");
        assert_eq!(broadcast["verdict"], "pass", "{preset}: {broadcast:#}");
        let way = if *preset == "session-buddy" { "an update" } else { "over HTTP" };
        assert!(broadcast["found"].to_string().contains(way), "{preset}: {broadcast:#}");
    }
    let (code, report) =
        report(command(&format!("{} --timeout=1", flags_of(&server, 0, ports[1]))));
    let metrics = verdict(&report, "metrics");
    assert_eq!((code, &metrics["verdict"]), (1, &"fail".into()), "{report:#}");
    assert!(metrics["found"].to_string().contains("a connection to akosha"), "{metrics:#}");
}

#[test]
fn of_session_buddy_an_update_is_awaited_and_its_own_metrics_are_told_from_another_s() {
    let server = Server::start("--preset=session-buddy");
    let (code, answer) = report(command(&flags(&server)));
    assert_eq!(code, 0, "{answer:#}");
    assert_eq!(verdict(&answer, "broadcast")["verdict"], "pass", "{answer:#}");
    assert_eq!(verdict(&answer, "metrics")["verdict"], "pass", "{answer:#}");
    let other = Server::start("");
    let flags = flags_of(&server, 0, other.metrics.port());
    let (code, answer) = report(command(&format!("{flags} --timeout=1")));
    assert_eq!((code, &verdict(&answer, "metrics")["verdict"]), (1, &"fail".into()), "{answer:#}");
}

#[test]
fn an_address_of_ipv6_may_be_in_brackets() {
    let server = Server::start("--host=::1");
    let (_, answer) = report(command(&format!("--host=[::1] {}", flags(&server))));
    assert_eq!(answer["subject"], format!("ws://[::1]:{}", server.clients[0].port()));
    assert_eq!(verdict(&answer, "welcome")["verdict"], "pass", "{answer:#}");
}
