use super::*;

#[test]
fn gzip_is_taken_from_who_asks_for_it() {
    for (lines, takes) in [
        (&["gzip"][..], true),
        (&["br, GZIP;q=0.5"], true),
        (&["br", "identity, gzip"], true),
        (&["gzip; q=1.0"], true),
        (&["gzip;q=0"], false),
        (&["gzip;q=0.000, br"], false),
        (&["x-gzipped, br"], false),
        (&["*"], false),
        (&[""], false),
        (&[], false),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        assert_eq!(takes_gzip(&headers), takes, "{lines:?}");
    }
}
