//! `uringcast-server`: settings in, a server out, and the exit code of how it ended.

use std::process::exit;

use serde_json::json;
use uringcast_server::args::{self, Action, ArgsError};
use uringcast_server::commands::print;
use uringcast_server::config::state_dir;
use uringcast_server::limits::PANIC_PATIENCE;
use uringcast_server::run::{self, Ended};
use uringcast_server::{class_report, commands, log, presets, print_config};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The operator has something to mend.
const OPERATOR: i32 = 2;
/// What a shell adds to the number of the signal that ended a process.
const BY_SIGNAL: i32 = 128;

fn main() {
    let matches = args::parse(std::env::args_os()).unwrap_or_else(|usage| usage.exit());
    match commands::run(&matches, std::env::vars_os().collect()) {
        Ok(Some(code)) => exit(code),
        Ok(None) => {}
        Err(failure) => exit(failure.report()),
    }
    let (action, settings) = match args::read_matches(&matches, std::env::vars_os()) {
        Ok(read) => read,
        Err(ArgsError::Usage(usage)) => usage.exit(),
        Err(ArgsError::Problems(problems)) => fail(&problems),
    };
    log::start(&settings);
    if cfg!(panic = "abort") {
        end_after_panic();
    }
    let variable = std::env::var_os;
    let state = state_dir(variable("XDG_STATE_HOME"), variable("HOME"));
    let ended = match action {
        Action::Presets { name, json } => {
            print(&match name.and_then(presets::find) {
                Some(preset) if json => format!("{:#}\n", json!(preset)),
                Some(preset) => preset.text.to_owned(),
                None if json => format!("{:#}\n", json!(presets::all())),
                None => presets::table(),
            });
            Ok(Ended::Drained)
        }
        Action::CheckConfig { changed, json } => {
            run::check(&settings, state.as_deref()).map(|_| {
                print(&match (changed, json) {
                    (_, true) => format!("{:#}\n", print_config::json(&settings, changed)),
                    (true, false) => print_config::render_changed(&settings),
                    (false, false) => print_config::render(&settings),
                });
                Ended::Drained
            })
        }
        Action::Classes { names, json } => {
            let report = run::check(&settings, state.as_deref()).and_then(|config| {
                Ok(class_report::report(&settings, &config.engine, &names, json)?)
            });
            report.map(|text| {
                print(&text);
                Ended::Drained
            })
        }
        Action::Serve { take_over } => {
            let environment: Vec<_> = std::env::vars_os().collect();
            let read = move || match args::read_matches(&matches, environment.clone()) {
                Ok((_, settings)) => Ok(settings),
                Err(ArgsError::Problems(problems)) => Err(problems),
                // The command line was understood before, and is the same.
                Err(ArgsError::Usage(usage)) => usage.exit(),
            };
            forgo_huge_pages();
            run::serve(settings, state, Box::new(read), take_over)
        }
    };
    log::finish();
    match ended {
        Ok(Ended::Drained) => exit(0),
        Ok(Ended::Interrupted(signal)) => exit(BY_SIGNAL + signal),
        Err(error) => fail(&error),
    }
}

/// Without huge pages: a page fault may wait for one until other memory is moved together, and a
/// shard for the fault, 10 ms and more (docs/decisions/0059-no-huge-pages.md).
fn forgo_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(
            %error,
            "the kernel may give huge pages: deliveries may wait for page faults; see \
             /sys/kernel/mm/transparent_hugepage/defrag"
        );
    }
}

/// Ends the process after a panic, also where standard error accepts neither log nor report.
fn end_after_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        std::thread::spawn(|| {
            std::thread::sleep(PANIC_PATIENCE);
            std::process::abort()
        });
        log::finish();
        report(info);
    }));
}

fn fail(error: &dyn std::fmt::Display) -> ! {
    for line in error.to_string().lines() {
        eprintln!("error: {line}");
    }
    exit(OPERATOR)
}
