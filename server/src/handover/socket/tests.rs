use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::settings::Sources;

fn settings() -> Settings {
    Settings::read(Sources::default()).unwrap()
}

#[test]
fn only_the_user_may_connect_and_the_file_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let socket = SocketFile::bind(&path, false, &settings()).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    UnixStream::connect(&path).unwrap();
    drop(socket);
    assert!(!path.exists());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_running_server_keeps_its_socket_unless_it_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    let old = SocketFile::bind(&path, false, &settings()).unwrap();
    let refused = SocketFile::bind(&path, false, &settings()).unwrap_err().to_string();
    assert!(refused.contains("handover_socket") && refused.contains("runs"), "{refused}");
    let new = SocketFile::bind(&path, true, &settings()).unwrap();
    drop(old);
    UnixStream::connect(&path).unwrap();
    drop(new);
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handover");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(SocketFile::bind(&path, false, &settings()).unwrap());
    std::fs::write(&path, "notes").unwrap();
    assert!(SocketFile::bind(&path, true, &settings()).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"notes");
    let nowhere = folder.path().join("no/such/folder");
    assert!(SocketFile::bind(&nowhere, false, &settings()).is_err());
}
