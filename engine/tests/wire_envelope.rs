//! The envelope, the requests and the HTTP upgrade under arbitrary input.

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uringcast_engine::limits::DEFAULT_JSON_DEPTH;
use uringcast_engine::wire::Message;
use uringcast_engine::wire::encoder::{Encoder, Outbound, Stamp};
use uringcast_engine::wire::envelope::Inbound;
use uringcast_engine::wire::request::Request;
use uringcast_engine::wire::upgrade;
use uringcast_engine::{ChannelName, EventName, JsonObject, MessageKey, Publication, Seq};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn json_object() -> impl Strategy<Value = Value> {
    hash_map(".{0,6}", json_value(), 0..5).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// A name without control characters, up to the limit.
fn name() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,40}"
}

/// An envelope's keys with values that are mostly, but not always, of the right type.
fn envelope() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![4 => ".{0,8}".prop_map(Value::from), 1 => json_value()];
    let kind = prop_oneof![
        8 => prop::sample::select(vec!["request", "subscribe", "unsubscribe", "ping", "event"])
            .prop_map(Value::from),
        1 => json_value(),
    ];
    let event = prop_oneof![
        6 => prop::sample::select(vec!["subscribe", "unsubscribe", "publish", "auth"])
            .prop_map(Value::from),
        1 => json_value(),
    ];
    let data = prop_oneof![
        1 => json_value(),
        4 => (text(), text(), vec(text(), 0..4), json_object(), any::<u8>()).prop_map(
            |(channel, room, channels, data, keep)| {
                let fields = [
                    ("channel", channel.clone()),
                    ("room", room.clone()),
                    ("channels", Value::from(channels)),
                    ("data", data),
                    ("event", room),
                    ("token", channel),
                    ("since", json!({"epoch": "00000000000000ff", "seq": 5})),
                ];
                let kept = fields.into_iter().enumerate().filter(|(i, _)| keep & (1 << i) != 0);
                Value::Object(kept.map(|(_, (key, value))| (key.to_owned(), value)).collect())
            }
        ),
    ];
    (text(), text(), kind, event, data, text(), any::<u8>()).prop_map(
        |(id, correlation, kind, event, data, room, keep)| {
            let mut map = Map::new();
            map.insert("type".into(), kind);
            map.insert("event".into(), event);
            let optional =
                [("id", id), ("correlation_id", correlation), ("data", data), ("room", room)];
            for (i, (key, value)) in optional.into_iter().enumerate() {
                if keep & (1 << i) != 0 {
                    map.insert(key.into(), value);
                }
            }
            Value::Object(map)
        },
    )
}

/// Whether a document is an envelope, decided the slow way.
fn is_envelope(value: &Value) -> bool {
    const TYPES: [&str; 9] = [
        "request",
        "subscribe",
        "unsubscribe",
        "ping",
        "response",
        "event",
        "error",
        "pong",
        "ack",
    ];
    let nullable = ["correlation_id", "event", "room", "error_code", "error_message"];
    value.is_object()
        && value["type"].as_str().is_some_and(|kind| TYPES.contains(&kind))
        && value.get("id").is_none_or(Value::is_string)
        && value.get("data").is_none_or(Value::is_object)
        && nullable.iter().all(|key| value[key].is_null() || value[key].is_string())
}

/// The document in a frame of the server's, whose header takes 2, 4 or 10 bytes.
fn payload(frame: &[u8]) -> Value {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    serde_json::from_slice(&frame[header..]).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn envelopes_are_told_from_other_documents(value in envelope(), binary in any::<bool>()) {
        let text = value.to_string();
        let parsed = if binary {
            Inbound::parse_message(Message::Binary(text.as_bytes()))
        } else {
            Inbound::parse(&text)
        };
        prop_assert_eq!(parsed.is_ok(), is_envelope(&value), "{}", text);
        if let Ok(message) = parsed {
            prop_assert_eq!(message.kind.label(), &value["type"]);
            for (key, field) in [
                ("id", &message.id),
                ("correlation_id", &message.correlation_id),
                ("event", &message.event),
                ("room", &message.room),
            ] {
                prop_assert_eq!(field.as_deref(), value[key].as_str());
            }
            let data = message.data.map(|data| serde_json::from_str::<Value>(data.get()).unwrap());
            prop_assert_eq!(data.as_ref(), value.get("data"));
        }
    }

    #[test]
    fn a_request_finds_its_channels(value in envelope()) {
        let text = value.to_string();
        let Ok(message) = Inbound::parse(&text) else { return Ok(()) };
        let single = |value: &Value| value.as_str().map(str::to_owned);
        let data = &value["data"];
        let request = Request::parse(&message, DEFAULT_JSON_DEPTH);
        if let Ok(Request::Publish { publication, .. }) = request {
            prop_assert_eq!(Some(publication.channel.as_str()), data["channel"].as_str());
            prop_assert_eq!(Some(publication.event.as_str()), data["event"].as_str());
            let document: Value = serde_json::from_str(publication.data.as_str()).unwrap();
            prop_assert_eq!(&document, &data["data"]);
        } else if let Ok(Request::Unsubscribe { channels }) = request {
            use uringcast_engine::wire::request::Channels;
            match channels {
                Channels::Many(names) => {
                    let sent = data["channels"].as_array().unwrap();
                    prop_assert_eq!(names.len(), sent.len());
                    for (name, sent) in names.iter().zip(sent) {
                        let text = match name {
                            Ok(name) => name.as_str(),
                            Err(bad) => bad.text.as_str(),
                        };
                        prop_assert_eq!(Some(text), sent.as_str());
                    }
                }
                Channels::One(name) => {
                    let sent = single(&data["channel"])
                        .or_else(|| single(&data["room"]))
                        .or_else(|| single(&value["room"]));
                    prop_assert_eq!(Some(name.as_str()), sent.as_deref());
                }
            }
        }
    }

    #[test]
    fn broadcasts_come_back_as_they_were(
        channel in name(),
        event in name(),
        data in json_object(),
        key in prop::option::of("[^\\p{Cc}]{1,16}"),
        seq in any::<u64>(),
        id in any::<[u8; 16]>(),
        unix_us in 0i64..4_102_444_800_000_000,
    ) {
        let publication = Publication {
            channel: ChannelName::parse(&channel).unwrap(),
            event: EventName::parse(&event).unwrap(),
            data: JsonObject::parse(data.to_string().as_bytes()).unwrap(),
            key: key.as_deref().map(|key| MessageKey::parse(key).unwrap()),
        };
        let stamp = Stamp { id, unix_us };
        let frame = Encoder::default().broadcast(stamp, &publication, Seq(seq), None);
        let value = payload(&frame);
        let timestamp: jiff::Timestamp = value["timestamp"].as_str().unwrap().parse().unwrap();
        prop_assert_eq!(timestamp.as_microsecond(), unix_us);
        let uuid = value["id"].as_str().unwrap();
        prop_assert_eq!(uuid::Uuid::parse_str(uuid).unwrap().get_version_num(), 4);
        let mut expected = json!({
            "id": uuid, "correlation_id": null, "type": "event", "event": event, "data": data,
            "timestamp": value["timestamp"], "room": channel, "error_code": null,
            "error_message": null, "seq": seq,
        });
        if let Some(key) = key {
            expected["key"] = key.into();
        }
        prop_assert_eq!(&value, &expected);
    }

    #[test]
    fn replies_come_back_as_they_were(
        correlation in prop::option::of(".{0,80}"),
        event in ".{0,40}",
        data in json_object(),
    ) {
        let stamp = Stamp { id: [7; 16], unix_us: 1 };
        let mut out = Vec::new();
        let reply = Outbound::response(&event, &data);
        Encoder::default().write(stamp, correlation.as_deref(), &reply, &mut out);
        let value = payload(&out);
        prop_assert_eq!(&value["correlation_id"], &json!(correlation));
        prop_assert_eq!(&value["event"], &json!(event));
        prop_assert_eq!(&value["data"], &data);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,100}", bytes in vec(any::<u8>(), 0..200)) {
        let messages = [Inbound::parse(&text), Inbound::parse_message(Message::Binary(&bytes))];
        for message in messages.into_iter().flatten() {
            let _ = Request::parse(&message, DEFAULT_JSON_DEPTH);
        }
        let _ = upgrade::parse(&bytes, true, &[], true);
        let request = format!("GET {text} HTTP/1.1\r\n{text}: {text}\r\n\r\n");
        let _ = upgrade::parse(request.as_bytes(), true, &[], true);
    }
}
