use std::io::Write;
use std::os::fd::AsRawFd;

use super::*;

#[test]
fn what_is_read_once_may_be_a_pipe_and_what_is_followed_may_not() {
    let (reader, mut writer) = io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let refused = read_followed("cert_file", path.as_ref()).unwrap_err();
    assert!(refused.to_string().contains("regular file"), "{refused}");
    writer.write_all(b"port = 1").unwrap();
    drop(writer);
    assert_eq!(read("config", path.as_ref()).unwrap(), b"port = 1");
}
