//! Compound values, kinds of values, and signatures.

use super::super::reading::compound;
use crate::scan::text::reading::token::{Role, Tokens};
use crate::scan::text::templates::value::Kind;

#[test]
fn times_are_known_in_the_forms_logs_have_them() {
    for time in [
        "2024-01-31",
        "2024/01/31 23:59:59",
        "2024-01-31T23:59:59Z",
        "2024-01-31 23:59:59,123",
        "2024-01-31T23:59:59.123456+02:00",
        "2024-01-31 23:59 UTC",
        "23:59:59.5",
        "10/Oct/2000:13:55:36 -0700",
        "10-Oct-2000 13:55:36",
        "31.01.2024 10:00:00",
    ] {
        assert_eq!(compound::numeric_time(time.as_bytes(), 0), Some(time.len()), "{time}");
        assert_eq!(Kind::of(time.as_bytes()), Kind::Time, "{time}");
    }
    for time in ["Jan  2 03:04:05", "Nov 16 03:04:05 2024", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    {
        assert_eq!(compound::named_time(time.as_bytes(), 0), Some(time.len()), "{time}");
    }
    for other in ["2024-1", "12:34", "1234-56-789", "Mars 12", "Jan", "12/13", "1.2.3.4", "2024-01-31x"] {
        assert_eq!(compound::numeric_time(other.as_bytes(), 0), None, "{other}");
        assert_eq!(compound::named_time(other.as_bytes(), 0), None, "{other}");
    }
}

#[test]
fn values_have_kinds() {
    let kinds = [
        ("-12", Kind::Int),
        ("3.25", Kind::Float),
        ("10.1.2.3", Kind::Ip),
        ("10.1.2.3:8080", Kind::Ip),
        ("2001:db8::1", Kind::Ip),
        ("8f14e45fceea167a", Kind::Hex),
        ("0xdeadbeef", Kind::Hex),
        ("123e4567-e89b-42d3-a456-426614174000", Kind::Uuid),
        ("https://a.example/b?c=d", Kind::Url),
        ("jo@mail.example", Kind::Email),
        ("/var/log/syslog", Kind::Path),
        ("C:\\Temp\\a.txt", Kind::Path),
        ("aGVsbG8gd29ybGQxMjM0NTY3ODkw", Kind::Base64),
        ("", Kind::Empty),
        ("-", Kind::Empty),
        ("facade", Kind::Str),
        ("org.example.OrderServiceImpl", Kind::Str),
        ("%E4%BD%A0", Kind::Str),
    ];
    for (value, kind) in kinds {
        assert_eq!(Kind::of(value.as_bytes()), kind, "{value}");
    }
}

#[test]
fn base64_is_told_from_paths() {
    let of = |text: &str| compound::base64(text.as_bytes(), 0, &mut 0).is_some();
    assert!(of("aB3/dE9+xY7zQ2kL5mN8pR1s="));
    assert!(!of("var/lib/docker/overlay2/merged/usr/share"));
    assert!(!of("com/example/OrderService/HandlerImpl"));
    assert!(!of("aB3/dE9"));
}

/// The contents of the places of `record`, values in brackets.
fn places(record: &str) -> String {
    let mut tokens = Tokens::new();
    tokens.read(record.as_bytes());
    let shown = |place: &crate::scan::text::reading::token::Place| {
        let text = String::from_utf8_lossy(place.of(record.as_bytes())).into_owned();
        if place.role == Role::Word { text } else { format!("[{text}]") }
    };
    tokens.places().iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn records_are_taken_apart() {
    let records = [
        ("GET /v1/orders/12?a=b c&d=", "GET [v1] orders [12] a [b] c d []"),
        ("x=1,2,3&y=a==", "x [1,2,3] y [a==]"),
        ("Foo{a=1, b=two, c=x,y}", "Foo a [1] b [two] c [x,y]"),
        ("don't say 'it''s' or \"a \\\" b\"", "don t say [it''s] or [a \\\" b]"),
        ("WHERE id = 12 AND name = 'bob'", "WHERE id [12] AND name [bob]"),
        ("VALUES (1,'a'),(2,'b)'),(3,'c') END", "VALUES [1] [a] END"),
        ("from ::1 and fe80::1:2 done.", "from [::1] and [fe80::1:2] done"),
        ("<a x=\"1\"><b>two words</b><b>three</b></a>", "a x [1] b [two words] b a"),
        ("<14>Jan  2 03:04:05 host", "[14] [Jan  2 03:04:05] host"),
        ("ids 1 2 3 4 end", "ids [1 2 3 4] end"),
        ("user1234 and id_12 and a1b2c3", "[user1234] and [id_12] and [a1b2c3]"),
        ("Set-Cookie: a=b; c=d", "Set-Cookie [a=b; c=d]"),
        ("10.0.0.1 - - [x]", "[10.0.0.1] [-] [-] x"),
        ("!!! ??? ***", "[!!! ??? ***]"),
    ];
    for (record, expected) in records {
        assert_eq!(places(record), expected, "{record}");
    }
}

#[test]
fn signatures_ignore_values_and_keep_words() {
    let signature = |record: &str| {
        let mut tokens = Tokens::new();
        tokens.read(record.as_bytes());
        tokens.signature()
    };
    assert_eq!(signature("a=1&b=two"), signature("a=x y&b=3".replace(' ', "_").as_str()));
    assert_eq!(signature("job 12 done"), signature("job   9999999 done"));
    assert_ne!(signature("job 12 done"), signature("job 12 lost"));
    assert_ne!(signature("job 12 done"), signature("job 12, done"));
    assert_ne!(signature("a b"), signature("b a"));
    assert_ne!(signature("user12"), signature("item12"));
}
