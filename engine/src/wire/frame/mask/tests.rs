use super::unmask;

#[test]
fn unmasking_in_pieces_equals_unmasking_at_once() {
    let mask = [0x11, 0x22, 0x44, 0x88];
    let masked: Vec<u8> = (0..100u8).collect();
    let plain: Vec<u8> = masked.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
    for cut in 0..=masked.len() {
        let mut bytes = masked.clone();
        let (left, right) = bytes.split_at_mut(cut);
        unmask(left, mask, 0);
        unmask(right, mask, cut);
        assert_eq!(bytes, plain, "cut at {cut}");
    }
}
