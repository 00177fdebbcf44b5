//! The project's own clients as packages: types, sizes, what a package holds, units.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::tools;

/// Bytes of the module, minified and compressed, that a page loads.
const SIZE: usize = 5 << 10;
/// Bytes of what it loads besides for Server-Sent Events.
const STREAM_SIZE: usize = 2 << 10;

fn client(language: &str) -> PathBuf {
    tools::root().join("clients").join(language)
}

/// All that a program says, which must be content.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{said}\n{faults}");
    output.stdout
}

/// A copy to work in.
fn copy(language: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    run(Command::new("cp").args(["-r", "--"]).arg(client(language)).arg(dir.path().join("it")));
    dir
}

#[test]
fn the_module_is_small() {
    let Some(esbuild) = tools::npm("the_module_is_small", ".bin/esbuild") else { return };
    for (file, most) in [("uringcast.js", SIZE), ("stream.js", STREAM_SIZE)] {
        let module = client("javascript").join("src").join(file);
        let flags = ["--bundle", "--minify", "--format=esm", "--external:./stream.js"];
        let small = run(Command::new(&esbuild).args(flags).arg(module));
        let mut gzip = Command::new("gzip");
        let mut gzip = gzip.arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        gzip.stdin.take().unwrap().write_all(&small).unwrap();
        let size = gzip.wait_with_output().unwrap().stdout.len();
        assert!(size <= most, "{file}: {size} bytes");
    }
}

#[test]
fn the_npm_package_holds_the_module_and_its_types() {
    let test = "the_npm_package_holds_the_module_and_its_types";
    let (Some(tsc), Some(npm)) = (tools::npm(test, ".bin/tsc"), tools::program(test, "npm")) else {
        return;
    };
    let dir = copy("javascript");
    let dir = dir.path().join("it");
    // As package.json has it in `prepack`, which takes the compiler from the path.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(tsc.parent().unwrap().into()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(paths).unwrap();
    let mut pack = Command::new(npm);
    pack.args(["pack", "--offline", "--silent"]).env("PATH", path).current_dir(&dir);
    run(&mut pack);
    let tar = dir.join("uringcast-0.1.0.tgz");
    let list = String::from_utf8(run(Command::new("tar").arg("-tf").arg(&tar))).unwrap();
    for file in [
        "src/uringcast.js",
        "src/tabs.js",
        "src/stream.js",
        "types/uringcast.d.ts",
        "types/tabs.d.ts",
    ] {
        assert!(list.contains(&format!("package/{file}\n")), "no {file}: {list}");
    }
}

#[test]
fn the_wheel_holds_the_package_and_says_that_it_is_typed() {
    let test = "the_wheel_holds_the_package_and_says_that_it_is_typed";
    if tools::python(test, "hatchling").is_none() {
        return;
    }
    let Some(python) = tools::python(test, "python") else { return };
    let dir = copy("python");
    let mut build = Command::new(&python);
    build.args(["-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps"]);
    build.args(["--no-build-isolation", "--no-index", "-w", "dist", "./it"]);
    run(build.current_dir(dir.path()));
    let wheel = dir.path().join("dist/uringcast-0.1.0-py3-none-any.whl");
    let list = run(Command::new(&python).args(["-m", "zipfile", "-l"]).arg(wheel));
    let list = String::from_utf8(list).unwrap();
    for file in ["uringcast/client.py", "uringcast/py.typed"] {
        assert!(list.contains(file), "no {file}: {list}");
    }
}

#[test]
fn the_python_client_is_typed_strictly() {
    let Some(mypy) = tools::python("the_python_client_is_typed_strictly", "mypy") else { return };
    let cache = tempfile::tempdir().unwrap();
    let mut check = Command::new(mypy.with_file_name("python"));
    check.args(["-m", "mypy", "--strict", "src", "examples", "--cache-dir"]).arg(cache.path());
    run(check.current_dir(client("python")).env("MYPYPATH", "src"));
}

/// Runs the unit tests in a directory of a client.
fn units(program: Option<PathBuf>, flags: &[&str], dir: &Path) {
    let Some(program) = program else { return };
    run(Command::new(program).args(flags).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(dir));
}

#[test]
fn the_units_of_the_javascript_client_work() {
    let node = tools::program("the_units_of_the_javascript_client_work", "node");
    units(node, &["--test", "tests/"], &client("javascript"));
}

#[test]
fn the_units_of_the_python_client_work() {
    let python = tools::python("the_units_of_the_python_client_work", "python");
    units(python, &["-m", "unittest", "discover", "-s", "tests"], &client("python"));
}
