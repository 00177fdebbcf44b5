//! `loadgen worker`: carries portions for one coordinator after the other.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::batch::Update;
use crate::process::cpu_time;
use clap::Parser;

use super::greeting::{Secret, Side, nonce};
use super::message_stream::MessageStream;
use super::messages::{Answer, Assignment, Command};
use crate::args::Args;
use crate::config::Config;
use crate::error::OperatorError;
use crate::load_plan::LoadPlan;
use crate::part::Part;
use crate::plan_input::PlanInput;
use crate::shared::Shared;

/// For the proof of the secret.
const PATIENCE: Duration = Duration::from_secs(5);
/// A coordinator without a run that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How often a coordinator hears of the progress.
const PROGRESS: Duration = Duration::from_millis(100);

/// Carries a part of the load for `loadgen coordinate`, which may be on another host.
///
/// The connection is proven by the secret and not encrypted: use it within a network that you
/// trust, or through a tunnel. Who knows the secret has this process open connections and read the
/// files that the flags of a run name.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadgen worker", version)]
pub(crate) struct WorkerFlags {
    /// Where to listen for coordinators. Beyond loopback a secret is required.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// File with the secret that coordinators must know, at least 16 bytes.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Serves coordinators, one at a time, until the process is ended.
///
/// # Errors
/// When it cannot listen, or must not without a secret.
pub(crate) fn serve(flags: &WorkerFlags) -> Result<u8, OperatorError> {
    let secret = Secret::read(flags.secret_file.as_deref())?;
    let bad = |what: String| OperatorError(format!("--listen {}: {what}", flags.listen));
    if secret.is_empty() && !flags.listen.ip().is_loopback() {
        let what = "beyond loopback a secret is required: give --secret-file, here and to \
                    `loadgen coordinate`";
        return Err(bad(what.into()));
    }
    let listener = TcpListener::bind(flags.listen).map_err(|error| {
        bad(format!("{error}; give an address of this machine and a free port"))
    })?;
    let address = listener.local_addr().map_err(|error| bad(error.to_string()))?;
    crate::output::print(&format!("loadgen worker listens on {address}\n"))?;
    loop {
        match listener.accept() {
            Ok((stream, coordinator)) => {
                if let Err(what) = attend(stream, &secret) {
                    eprintln!("loadgen worker: coordinator {coordinator}: {what}");
                }
            }
            Err(error) => {
                eprintln!("loadgen worker: {error}");
                std::thread::sleep(PROGRESS);
            }
        }
    }
}

/// Serves one coordinator until it closes the connection.
fn attend(stream: TcpStream, secret: &Secret) -> Result<(), String> {
    let origin = Instant::now();
    let mut peer = MessageStream::new(stream)?;
    let worker = nonce()?;
    peer.send(&Answer::Greeting { version: env!("CARGO_PKG_VERSION").into(), nonce: worker })?;
    let Command::Prove { nonce, proof } = peer.await_message(PATIENCE)? else {
        return Err("it proves nothing".into());
    };
    if !secret.accepts(&proof, Side::Coordinator, worker, nonce) {
        let what = "it does not know the secret of --secret-file".to_owned();
        peer.send(&Answer::Failed("the worker has another secret: compare --secret-file".into()))?;
        return Err(what);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    let proof = secret.proof(Side::Worker, worker, nonce);
    peer.send(&Answer::Proven { proof, cores })?;
    peer.trust();
    let mut heard = Instant::now();
    loop {
        let received = peer.receive();
        if !matches!(received, Ok(None)) {
            heard = Instant::now();
        }
        match received {
            Ok(None) if heard.elapsed() > SILENCE => {
                return Err(format!("silent for {} s", SILENCE.as_secs()));
            }
            Ok(Some(Command::AskClock)) => {
                peer.send(&Answer::Clock(origin.elapsed().as_nanos() as u64))?;
            }
            Ok(Some(Command::Carry(assignment))) => carry(&mut peer, &assignment, origin)?,
            // Left over of a run that ended.
            Ok(None | Some(Command::Start(_) | Command::Quit | Command::Stop)) => {}
            Ok(Some(Command::Prove { .. })) => return Err("it proves itself twice".into()),
            // It has what it wanted.
            Err(_) => return Ok(()),
        }
    }
}

/// Carries a portion, and reports what came of it.
fn carry(peer: &mut MessageStream, assignment: &Assignment, origin: Instant) -> Result<(), String> {
    let (sender, updates) = channel();
    let shared = &Shared::on_clock(origin, assignment.clock_offset);
    let config = match configure(assignment) {
        Ok(config) => config,
        Err(error) => return peer.send(&Answer::Failed(error.0)),
    };
    let part = match Part::connect(&config, sender) {
        Ok(part) => part,
        Err(error) => return peer.send(&Answer::Failed(error.0)),
    };
    let ended = std::thread::scope(|scope| {
        part.spawn(scope, shared);
        let ended = report(peer, shared, &updates);
        shared.quit.store(true, Relaxed);
        shared.stop.store(true, Relaxed);
        ended
    });
    match ended? {
        Ok(cpu_percent) => peer.send(&Answer::Ended { cpu_percent }),
        Err(OperatorError(what)) => peer.send(&Answer::Failed(what)),
    }
}

/// The run as the coordinator has it, with this portion.
fn configure(assignment: &Assignment) -> Result<Config, OperatorError> {
    let words = std::iter::once("loadgen").chain(assignment.words.iter().map(String::as_str));
    let args = Args::try_parse_from(words).map_err(|error| OperatorError(error.to_string()))?;
    let file = assignment.plan.as_deref().map(PlanInput::parse).transpose();
    let file = file.map_err(|what| OperatorError(format!("--plan: {what}")))?;
    let mut plan = LoadPlan::resolve(args.input.clone().or(file.unwrap_or_default()))?;
    if let Some(rate) = assignment.rate {
        plan = plan.at_rate(rate);
    }
    let url = args.url.clone();
    let url = url.ok_or_else(|| OperatorError("--worker needs --url".into()))?;
    let config = Config::resolve(&args, plan, &url, None, args.control_url.as_deref())?;
    let (run, threads) = (assignment.run.clone(), assignment.threads);
    Ok(Config { run, threads, portion: assignment.portion.clone(), ..config })
}

/// Does as the coordinator says and passes on what the threads report, until they have ended.
/// Returns the CPU time meanwhile in per cent of one core, or why the run cannot go on.
fn report(
    peer: &mut MessageStream,
    shared: &Shared,
    updates: &Receiver<Update>,
) -> Result<Result<f64, OperatorError>, String> {
    let (mut begun, mut cpu, mut told) = (Instant::now(), cpu_time(), Instant::now());
    loop {
        match peer.receive()? {
            None => {}
            Some(Command::Start(at)) => {
                (begun, cpu) = (Instant::now(), cpu_time());
                shared.start.store(at, Relaxed);
            }
            Some(Command::Quit) => shared.quit.store(true, Relaxed),
            Some(Command::Stop) => shared.stop.store(true, Relaxed),
            Some(_) => return Err("it asks for something else than this run".into()),
        }
        loop {
            match updates.try_recv() {
                Ok(Ok(batch)) => peer.send(&Answer::Recorded(batch))?,
                Ok(Err(error)) => return Ok(Err(error)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let used = (cpu_time() - cpu).as_secs_f64();
                    return Ok(Ok(100.0 * used / begun.elapsed().as_secs_f64()));
                }
            }
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let (ready, published) = (&shared.ready, &shared.published);
            let (ready, published) = (ready.load(Relaxed), published.load(Relaxed));
            peer.send(&Answer::Progress { ready, published })?;
        }
    }
}
