use super::*;

fn text(n: usize) -> String {
    format!(r#"{{"n":{n},"event":"price","data":{{"symbol":"ABC","price":{}}}}}"#, n * 17 % 1_000)
}

#[test]
fn positions_go_on_and_needs_do_not_fall() {
    let mut context = SharedContext::default();
    let (mut end, mut last_need) = (0, 0);
    for n in 0..500 {
        if n % 170 == 169 {
            // As an idle one.
            context.deflater = None;
        }
        let text = text(n);
        let is_new = context.deflater.is_none();
        let InContext { start, need, bytes } = context.compress(text.as_bytes(), Time(n as u64));
        assert_eq!(start, end);
        end += text.len() as u64;
        assert!(need >= last_need && need <= start && start - need <= WINDOW);
        assert!(!is_new || need == start, "a new compressor refers to nothing");
        assert!(bytes[0] == 0xc1, "text, whole and compressed");
        last_need = need;
    }
    assert!(last_need > 0);
}

#[test]
fn what_was_said_before_is_short() {
    let mut context = SharedContext::default();
    let sizes: Vec<usize> =
        (0..50).map(|n| context.compress(text(n).as_bytes(), Time(0)).bytes.len()).collect();
    assert!(sizes[49] * 3 < sizes[0], "{sizes:?}");
}
