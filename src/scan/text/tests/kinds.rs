//! One true template each, thousands of members, shuffled together with each other and with noise.

use super::*;

pub(super) type Kind = (&'static str, fn(&mut Chance) -> String, &'static str);

pub(super) const KINDS: &[Kind] = &[
    (
        "orders",
        |c| format!("GET /v1/orders/{}?expires={}&sig={}", c.below(100_000), c.next() % 2_000_000_000, c.hex(32)),
        "GET /v1/orders/<int>?expires=<int>&sig=<hex>",
    ),
    ("coupon", |c| format!("coupon={}&shop={}", c.base36(12), c.base36(6)), "coupon=<str>&shop=<str>"),
    ("session", |c| format!("session:{}", c.hex(32)), "session:<hex>"),
    ("redis user", |c| format!("user:{}:profile", c.below(1_000_000)), "user:<int>:profile"),
    ("base36 id", |c| format!("cache entry {} expired", c.base36(8)), "cache entry <str> expired"),
    ("base36 key", |c| format!("sess_key:{}", c.base36(8)), "sess_key:<str>"),
    ("hex id", |c| format!("trace {} done", c.hex(8)), "trace <hex> done"),
    ("base64 id", |c| format!("token {} issued", c.base64url(22)), "token <base64> issued"),
    (
        "nginx access",
        |c| {
            format!(
                "{} - - [{:02}/{}/2024:{} +0000] \"GET /{}/{} HTTP/1.1\" {} {} \"-\" \"Mozilla/5.0 ({}; {})\"",
                c.ip(),
                c.between(1, 29),
                c.month(),
                c.clock(),
                c.word(),
                c.below(1000),
                c.pick(&["200", "304", "404"]),
                c.below(100_000),
                c.word(),
                c.word()
            )
        },
        "<ip> - - [<time>] \"GET /<str> HTTP/1.1\" <int> <int> \"-\" \"Mozilla/5.0 (<str>)\"",
    ),
    (
        "nginx error",
        |c| {
            format!(
                "{} {} [error] {}#{}: *{} connect() failed (111: Connection refused) while connecting to upstream, client: {}",
                c.date().replace('-', "/"),
                c.clock(),
                c.below(30000),
                c.below(30000),
                c.below(1_000_000),
                c.ip()
            )
        },
        "<time> [error] <int>#<int>: *<int> connect() failed (111: Connection refused) while connecting to upstream, client: <ip>",
    ),
    (
        "syslog",
        |c| {
            format!(
                "<14>{} {:2} {} web-7 sshd[{}]: Failed password for {} from {} port {} ssh2",
                c.month(),
                c.between(1, 29),
                c.clock(),
                c.below(30000),
                c.name(),
                c.ip(),
                c.below(60000)
            )
        },
        "<14><time> web-7 sshd[<int>]: Failed password for <str> from <ip> port <int> ssh2",
    ),
    (
        "sql select",
        |c| format!("SELECT * FROM users WHERE id={} AND name='{} {}'", c.below(1_000_000), c.name(), c.name()),
        "SELECT * FROM users WHERE id=<int> AND name='<str>'",
    ),
    (
        "sql select one",
        |c| format!("SELECT a, b FROM t WHERE id = {} AND name = '{}' LIMIT 10", c.below(1_000_000), c.name()),
        "SELECT a, b FROM t WHERE id = <int> AND name = '<str>' LIMIT 10",
    ),
    (
        "sql insert",
        |c| {
            let n = c.between(1, 6);
            let rows: Vec<String> = (0..n)
                .map(|_| format!("({},'{}',{}.{})", c.below(100_000), c.name(), c.below(100), c.between(10, 99)))
                .collect();
            format!("INSERT INTO orders (id, name, price) VALUES {}", rows.join(","))
        },
        "INSERT INTO orders (id, name, price) VALUES (<int>,'<str>',<float>)…",
    ),
    (
        "xml",
        |c| {
            format!(
                "<?xml version=\"1.0\"?><order id=\"{}\"><customer>{} {}</customer><total currency=\"EUR\">{}.{:02}</total></order>",
                c.below(100_000),
                c.name(),
                c.name(),
                c.below(1000),
                c.below(100)
            )
        },
        "<?xml version=\"1.0\"?><order id=\"<int>\"><customer><str></customer><total currency=\"EUR\"><float></total></order>",
    ),
    (
        "java",
        |c| {
            format!(
                "{} {},{:03} ERROR [pool-{}-thread-{}] com.example.OrderService - order {} failed: java.io.IOException: Broken pipe",
                c.date(),
                c.clock(),
                c.below(1000),
                c.below(9),
                c.below(40),
                c.below(1_000_000)
            )
        },
        "<time> ERROR [pool-<str>] com.example.OrderService - order <int> failed: java.io.IOException: Broken pipe",
    ),
    (
        "java frame",
        |c| format!("\tat com.example.service.OrderService.process(OrderService.java:{})", c.below(900)),
        "at com.example.service.OrderService.process(OrderService.java:<int>)",
    ),
    ("header", |c| format!("X-Request-Id: {}", c.uuid()), "X-Request-Id: <uuid>"),
    ("cookie", |c| format!("Cookie: sid={}; theme={}", c.base36(20), c.pick(&["dark", "light"])), "Cookie: sid=<str>"),
    (
        "chinese",
        |c| {
            let n = c.between(2, 6);
            format!("q={}&page={}", c.percent(n), c.below(50))
        },
        "q=<str>&page=<int>",
    ),
    (
        "cyrillic",
        |c| {
            format!(
                "Пользователь {} вошёл в систему с адреса {}",
                c.pick(&[
                    "Иван",
                    "Мария",
                    "Олег",
                    "Анна",
                    "Пётр",
                    "Ольга",
                    "Юрий",
                    "Нина",
                    "Фёдор",
                    "Яна",
                    "Глеб",
                    "Зоя"
                ]),
                c.ip()
            )
        },
        "Пользователь <str> вошёл в систему с адреса <ip>",
    ),
    (
        "emoji",
        |c| {
            format!(
                "msg {} 🎉 from user{}: {}",
                c.below(100_000),
                c.below(1000),
                c.pick(&["😀", "🚀", "❤️", "👍", "🔥", "🙏", "😂", "🥳", "🤔", "😎"])
            )
        },
        "msg <int> 🎉 from user<int>: <str>",
    ),
    ("path", |c| format!("/var/cache/app/{}/{}/{}.tmp", c.hex(2), c.hex(2), c.hex(40)), "/var/cache/app/<path>"),
    (
        "deep path",
        |c| {
            let n = c.between(1, 5);
            let dirs: Vec<String> = (0..n).map(|_| c.word()).collect();
            format!("open file /srv/data/{}/{}.csv", dirs.join("/"), c.below(10_000))
        },
        "open file /srv/data/<path>",
    ),
    (
        "windows",
        |c| format!("C:\\Users\\{}\\AppData\\Local\\Temp\\{}.tmp", c.word(), c.hex(8)),
        "C:\\Users\\<str>\\AppData\\Local\\Temp\\<hex>.tmp",
    ),
    (
        "pem",
        |c| {
            let lines: Vec<String> = (0..c.between(3, 9)).map(|_| c.base64(64)).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        },
        "-----BEGIN CERTIFICATE----- <base64> -----END CERTIFICATE-----",
    ),
    ("base64", |c| format!("data:image/png;base64,{}==", c.base64(86)), "data:image/png;base64,<base64>"),
    (
        "uuids",
        |c| {
            let n = c.between(3, 9);
            (0..n).map(|_| c.uuid()).collect::<Vec<_>>().join(",")
        },
        "<uuid>…",
    ),
    ("login", |c| format!("User {} logged in from {}", c.name(), c.ip()), "User <str> logged in from <ip>"),
    (
        "two names",
        |c| format!("order by {} {} shipped to {}", c.name(), c.word(), c.word()),
        "order by <str> <str> shipped to <str>",
    ),
    (
        "full name",
        |c| {
            let n = c.between(1, 4);
            let names: Vec<&str> = (0..n).map(|_| c.name()).collect();
            format!("Dear {}, your parcel {} is here", names.join(" "), c.below(100_000))
        },
        "Dear <str>, your parcel <int> is here",
    ),
    ("email", |c| format!("mail to {}@{}.com queued", c.word(), c.word()), "mail to <email> queued"),
    (
        "logfmt",
        |c| {
            format!(
                "level=info ts={}T{}Z caller=main.go:{} msg=\"request done\" dur={}ms",
                c.date(),
                c.clock(),
                c.below(500),
                c.below(500)
            )
        },
        "level=info ts=<time> caller=main.go:<int> msg=\"request done\" dur=<int>ms",
    ),
    ("ipv6", |c| format!("peer fe80::{}:{} left", c.hex(4), c.hex(4)), "peer <ip> left"),
    (
        "head",
        |c| {
            format!(
                "POST /api/cart/{} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: {} {}\r\nContent-Length: {}\r\n\r\n",
                c.below(100_000),
                c.word(),
                c.word(),
                c.below(1000)
            )
        },
        "POST /api/cart/<int> HTTP/1.1 Host: shop.example.com User-Agent: <str> Content-Length: <int>",
    ),
];

/// All kinds and some noise, shuffled; each kind `members` times.
pub(super) fn mixture(seed: u64, members: usize) -> Vec<String> {
    let mut chance = Chance::new(seed);
    let mut records = Vec::new();
    for (_, make, _) in KINDS {
        records.extend((0..members).map(|_| make(&mut chance)));
    }
    records.extend((0..members * 3).map(|_| chance.noise()));
    chance.shuffle(&mut records);
    records
}

#[test]
fn every_kind_is_one_group_with_its_exact_count() {
    for seed in 0..3 {
        let records = mixture(seed, 2000);
        let (groups, sampled) = tally_of(&records);
        let mut missed = Vec::new();
        for (name, _, label) in KINDS {
            let counts: Vec<u64> =
                groups.iter().filter(|group| group.label.to_string() == *label).map(|group| group.now.count).collect();
            if counts != [2000] {
                missed.push(format!("{name}: {label}: {counts:?}"));
            }
        }
        let shown: Vec<String> = groups.iter().map(|group| format!("{:6} {}", group.now.count, group.label)).collect();
        assert!(missed.is_empty() && !sampled, "{missed:#?}\n{shown:#?}");
    }
}
