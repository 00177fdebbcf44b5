use super::*;

#[test]
fn sizes_that_cannot_work_are_refused_by_name() {
    let good = Config::new(8);
    assert!(good.check().is_ok());
    for (bad, name) in [
        (Config { slots: 0, ..good }, "slots is 0"),
        (Config { batch_entries: 1_024, ..good }, "batch_entries is 1024"),
        (Config { batch_entries: 0, ..good }, "batch_entries is 0"),
        (Config { receive_buffers: 48, ..good }, "receive_buffers is 48"),
        (Config { receive_buffer: 0, ..good }, "receive_buffer is 0"),
    ] {
        let error = bad.check().unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}
