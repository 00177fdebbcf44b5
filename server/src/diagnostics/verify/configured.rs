//! What `verify` takes from the server's configuration.

use std::net::IpAddr;

use super::Options;
use crate::certs::AUTO_FILES;
use crate::config::{Config, Identity};
use crate::settings::{Problem, Problems, Settings};

impl Options {
    /// These options for each service of the configuration, as far as no flag was `given`; with a
    /// port given, for the service that has it.
    ///
    /// # Errors
    /// [`Problems`] where a port is known to the running server only.
    pub fn of_each_service(
        &self,
        given: &dyn Fn(&str) -> bool,
        settings: &Settings,
        config: &Config,
    ) -> Result<Vec<Options>, Problems> {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        let services = settings.services();
        let mut any_port = |setting: &'static str, of: &Settings| {
            let reason = "is any free port: the file does not tell which";
            let flag = setting.replace('_', "-");
            let remedy = format!("Give --{flag} as the server printed it when it started.");
            let problem: Problem = of.problem(setting, reason, &remedy);
            problems.push(problem);
        };
        for (place, service) in services.iter().enumerate() {
            let chosen = services.len() == 1 || !given("port") || self.port == service.port;
            if !chosen {
                continue;
            }
            let mut one = self.clone();
            if !given("host") {
                one.host = reachable_host(&service.host[0].0);
            }
            if !given("port") {
                one.port = service.port;
            }
            if !given("max_connections") {
                one.max_connections = service.max_connections.0 as u32;
            }
            one.no_metrics |= settings.no_metrics;
            one.control_port = self.control_port.or(Some(settings.control_port));
            one.metrics_port = self.metrics_port.or(Some(service.metrics_port));
            for (port, setting, of) in [
                (one.port, "port", service),
                (one.control_port.unwrap_or(1), "control_port", settings),
                (one.metrics_port.unwrap_or(1), "metrics_port", service),
            ] {
                if port == 0 && !(setting == "metrics_port" && one.no_metrics) {
                    any_port(setting, of);
                }
            }
            one.cluster.clone_from(&config.cluster);
            one.proxies.clone_from(&config.engine.services[place].proxies);
            one.add_certificate(config.tls[place].as_ref().map(|tls| &tls.identity));
            if one.api_key_file.is_none() {
                one.api_key.clone_from(&settings.api_key);
                one.api_key_file.clone_from(&settings.api_key_file);
            }
            all.push(one);
        }
        if all.is_empty() {
            let reason = "has no service with the --port that is given";
            problems.push(settings.problem("config", reason, "Leave --port out to check all."));
        }
        if problems.is_empty() { Ok(all) } else { Err(Problems(problems)) }
    }

    /// Adds the certificate that clients trust, and the key file for the check of its mode.
    fn add_certificate(&mut self, identity: Option<&Identity>) {
        self.tls |= identity.is_some();
        let key = match identity {
            None => return,
            Some(Identity::Files(files)) => files.first().map(|files| files.pair.key.clone()),
            Some(Identity::Auto { dir, .. }) => {
                let [cert, key] = AUTO_FILES.map(|name| dir.join(name));
                self.ca_file.get_or_insert(cert);
                Some(key)
            }
        };
        self.key_file = self.key_file.take().or(key);
    }
}

/// A host to connect to where the server listens on this one.
fn reachable_host(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".into(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "::1".into(),
        _ => host.to_owned(),
    }
}
