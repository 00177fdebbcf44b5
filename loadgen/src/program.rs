//! The program: what its first argument asks for.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

use clap::Parser;
use nix::sys::resource::{Resource, getrlimit};

use crate::args::Args;
use crate::config::Config;
use crate::coordination::WorkerFlags;
use crate::doctor::Diagnosis;
use crate::environment::Environment;
use crate::error::OperatorError;
use crate::find_max::find_max;
use crate::load_plan::LoadPlan;
use crate::machine::Machine;
use crate::plan_input::{PlanInput, Publish};
use crate::report::{Circumstances, Report};
use crate::run_verdict::RunVerdict;
use crate::self_host::SelfHost;
use crate::{coordination, output, process, run, self_description, self_host};

/// Does it. The exit code is 2 for what the operator must put right.
pub fn main() -> ExitCode {
    match self_host::become_server().and_then(|()| start()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs what the first argument asks for. Returns the exit code.
fn start() -> Result<u8, OperatorError> {
    let mut words: Vec<_> = std::env::args_os().collect();
    match words.get(1).and_then(|word| word.to_str()) {
        Some("doctor") => {
            words.remove(1);
            examine(&Args::parse_for_doctor(words))
        }
        Some("worker") => {
            words.remove(1);
            coordination::serve(&WorkerFlags::parse_from(words))
        }
        Some("coordinate") => {
            words.remove(1);
            load_and_report(&Args::parse_for_coordinate(words))
        }
        Some("man") => output::print(&self_description::manual()?).map(|()| 0),
        Some("completions") => {
            let shell = words.get(2).map(|word| word.to_string_lossy()).unwrap_or_default();
            output::print(&self_description::completions(&shell)?).map(|()| 0)
        }
        _ => load_and_report(&Args::parse()),
    }
}

/// `loadgen doctor`. Returns its exit code.
fn examine(args: &Args) -> Result<u8, OperatorError> {
    let (_, file_limit) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| OperatorError(format!("the limit of open files: {error}")))?;
    let diagnosis = Diagnosis::of(args, &plan(args)?, &Machine::this(), file_limit);
    args.output.show(&diagnosis.table())?;
    args.output.write_json(&serde_json::json!(diagnosis))?;
    Ok(diagnosis.exit_code())
}

/// Returns the exit code.
fn load_and_report(args: &Args) -> Result<u8, OperatorError> {
    let interrupted = watch_signals()?;
    if args.insecure && !args.self_host {
        eprintln!("loadgen: --insecure: THE SERVER'S CERTIFICATE IS NOT VERIFIED");
    }
    let baseline = args.output.baseline()?;
    let plan = plan(args)?;
    let runs = match &args.url {
        Some(url) => {
            let control = args.control_url.as_deref();
            let config = Config::resolve(args, plan.clone(), url, None, control)?;
            vec![measure(&config, &interrupted)?]
        }
        None => self_host(args, &plan, &interrupted)?,
    };
    let code = runs.iter().map(|(_, code)| *code).min_by_key(|code| match code {
        // A fault of the server before one of this tool.
        1 => 0,
        3 => 1,
        _ => 2,
    });
    let mut reports: Vec<_> = runs.into_iter().map(|(report, _)| report).collect();
    for (place, report) in reports.iter_mut().enumerate() {
        report.comparison = baseline
            .as_ref()
            .and_then(|earlier| earlier.compare(place, &report.seconds, report.warmup_seconds));
    }
    let environment = serde_json::json!(Environment::of(&Machine::this()));
    args.output.write(&reports, &environment)?;
    for failure in reports.iter().flat_map(|report| &report.failures) {
        eprintln!("loadgen: FAILED: {failure}");
    }
    Ok(code.unwrap_or(0))
}

/// One run, and the exit code that it amounts to.
fn measure(config: &Config, interrupted: &AtomicBool) -> Result<(Report, u8), OperatorError> {
    let circumstances = Circumstances {
        started: SystemTime::now(),
        tls: config.endpoint.tls.is_some().then(|| config.trust.name()),
        given: config.given.clone(),
    };
    let (summary, verdict) = match config.plan.max_rate {
        Some(most) => find_max(config, most, interrupted)?,
        None => {
            let summary = run::run(config, interrupted)?;
            let verdict = RunVerdict::of(&config.plan, &summary);
            (summary, verdict)
        }
    };
    let scheme = if config.endpoint.tls.is_some() { "wss" } else { "ws" };
    let scheme = config.args.self_host.then_some(scheme);
    config.args.output.write_histograms(&summary, circumstances.started, scheme)?;
    let failures = verdict.reasons().map(|reason| format!("{}: {reason}", summary.url)).collect();
    Ok((Report::new(summary, &circumstances, failures), verdict.exit_code()))
}

/// What flags say goes before what the file says.
fn plan(args: &Args) -> Result<LoadPlan, OperatorError> {
    let file = args.plan.as_deref().map(PlanInput::read).transpose()?;
    LoadPlan::resolve(args.input.clone().or(file.unwrap_or_default()))
}

/// Plain, then TLS, each with a server of its own.
fn self_host(
    args: &Args,
    plan: &LoadPlan,
    interrupted: &AtomicBool,
) -> Result<Vec<(Report, u8)>, OperatorError> {
    let server = self_host::find_server()?;
    // The server inherits the limit, and needs as many descriptors; the run checks it.
    let _ = process::raise_file_limit();
    let mut runs = Vec::new();
    for tls in [false, true] {
        let host = SelfHost::start(&server, tls, plan.connections)?;
        let certificate = host.ready.certificate.clone();
        let control = (plan.publish == Publish::Http).then_some(&*host.ready.control);
        let config =
            Config::resolve(args, plan.clone(), &host.ready.url, certificate.as_deref(), control)?;
        let config = Config { server_pid: Some(host.pid()), ..config };
        runs.push(measure(&config, interrupted)?);
        host.stop()?;
        if interrupted.load(Relaxed) {
            break;
        }
    }
    Ok(runs)
}

/// The first Ctrl-C or SIGTERM ends the run early, with its report; the second at once.
fn watch_signals() -> Result<Arc<AtomicBool>, OperatorError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Relaxed) {
            std::process::exit(2);
        }
    })
    .map_err(|error| OperatorError(format!("cannot watch signals: {error}")))?;
    Ok(interrupted)
}
