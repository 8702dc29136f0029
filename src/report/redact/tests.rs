use proptest::prelude::*;

use super::*;
use crate::report::{SampleRow, Verdict};
use crate::units::{Addr, ByteCount};

#[test]
fn json_keeps_keys_and_structure() {
    assert_eq!(
        sample(r#"{"user_id":12345,"name":"Ann Lee","ok":true,"dev":{"os":"iOS 17","tags":["a1","b2"]}}"#),
        r#"{"user_id":99999,"name":"xxx xxx","ok":xxxx,"dev":{"os":"xxx 99","tags":["x9","x9"]}}"#
    );
}

#[test]
fn a_cut_or_escaped_record_keeps_no_value() {
    assert_eq!(sample(r#"cret","pass":"hunter2","no"#), r#"xxxx","pass":"xxxxxx9","xx"#);
    assert_eq!(sample(r#"{\"card\":\"4111 1111\",\"cv"#), r#"{\"card\":\"9999 9999\",\"xx"#);
    assert_eq!(sample(r#"{"a" : "b", "list" :["c:d=e"]"#), r#"{"a" : "x", "list" :["x:x=x"]"#);
}

#[test]
fn text_keeps_names_before_values() {
    assert_eq!(sample("coupon=SUMMER24&shop=77&sig=YWJjZGVm=="), "coupon=xxxxxx99&shop=99&sig=xxxxxxxx==");
    assert_eq!(sample("Authorization: Bearer abc.def"), "Authorization: xxxxxx xxx.xxx");
    assert_eq!(sample("https://ann:secret@host/x"), "xxxxx://xxx:xxxxxx@xxxx/x");
    assert_eq!(sample("c2VjcmV0c2VjcmV0="), "x9xxxxx9x9xxxxx9=");
    assert_eq!(sample("dG9wc2VjcmV0=1&page2=7"), "xx9xx9xxxxx9=9&page2=9");
    assert_eq!(sample("ключ 订单 ★"), "xxxx xx *");
}

#[test]
fn arguments_keep_option_names() {
    let shown: Vec<String> =
        ["--password=hunter2", "--verbose", "-phunter2", "run", "--", "--=x", "-"].map(argument).to_vec();
    assert_eq!(shown, ["--password=xxxxxx9", "--verbose", "-pxxxxxx9", "xxx", "--", "--=x", "-"]);
    assert_eq!(mask::title("postgres: ann shop 10.0.0.1"), "postgres: xxx xxxx 99.9.9.9");
}

fn group(kind: GroupKind, parts: Vec<LabelPart>, text: &str) -> GroupRow {
    GroupRow {
        kind,
        label: Label(parts),
        count: 1,
        bytes: ByteCount(9),
        share: 0.5,
        growth_count: None,
        growth_bytes: None,
        bytes_per_second: None,
        samples: vec![SampleRow { address: Addr(16), text: text.into() }],
    }
}

#[test]
fn a_document_is_masked_wherever_a_value_stands() {
    let fixed = |text: &str| LabelPart::Fixed(text.into());
    let groups = vec![
        group(GroupKind::Text, vec![fixed("user="), LabelPart::Constant("ann.lee".into())], "user=ann.lee"),
        group(GroupKind::Repeat, vec![fixed("ann.lee-session")], "ann.lee-session"),
    ];
    let content = Content {
        scanned_bytes: ByteCount(18),
        composition: Default::default(),
        groups,
        omitted_groups: 0,
        sampled: false,
    };
    let inspect = Inspect {
        target: TargetRow { cmdline: vec!["app".into(), "--token=ann.lee".into()], ..TargetRow::default() },
        content: Some(content),
        verdict: Some(Verdict {
            kind: "growing".into(),
            confidence: 0.9,
            summary: "it is user=ann.lee".into(),
            next: vec!["grep ann.lee-session".into(), "leakscope map 1".into()],
        }),
        suspect: Some(crate::report::Suspect { region: 0, reason: "grows".into() }),
        warnings: vec!["ann.lee is torn".into(), "second".into()],
        ..Inspect::default()
    };
    let mut document = Document::Inspect(Box::new(inspect));
    super::document(&mut document);
    let text = serde_json::to_string(&document).unwrap();
    assert!(!text.contains("ann."), "{text}");
    for kept in ["user=xxx.xxx", "\"xxx.xxx-xxxxxxx\"", "--token=xxx.xxx", "\"grows\"", "leakscope map 1", "\"second\""]
    {
        assert!(text.contains(kept), "{kept} in {text}");
    }
    let mut again = document.clone();
    super::document(&mut again);
    assert_eq!(again, document);
}

/// Values that a mask must change: at least one letter that is neither `x` nor a `9`.
fn secret() -> impl Strategy<Value = String> {
    "[a-wyzA-Z0-8]{4,20}"
}

proptest! {
    #[test]
    fn no_json_value_survives_any_cut(
        pairs in proptest::collection::vec(("[a-z_]{1,8}", secret()), 1..6),
        numbers in proptest::collection::vec(10_000u64..9_000_000_000, 1..4),
        nested in any::<bool>(), front in 0usize..80, back in 0usize..80,
    ) {
        let mut record = serde_json::Map::new();
        let keys: Vec<String> = pairs.iter().map(|(key, _)| format!("k_{key}")).collect();
        for (key, (_, value)) in keys.iter().zip(&pairs) {
            record.insert(key.clone(), value.clone().into());
        }
        record.insert("list".into(), numbers.clone().into());
        let mut text = serde_json::to_string(&record).unwrap();
        if nested {
            text = serde_json::to_string(&serde_json::json!({"body": text})).unwrap();
        }
        let end = text.len().saturating_sub(back);
        let cut = text.get(front.min(end)..end).unwrap_or_default();
        let shown = sample(cut);
        prop_assert_eq!(shown.chars().count(), cut.chars().count());
        for value in pairs.iter().map(|pair| pair.1.clone()).chain(numbers.iter().map(u64::to_string)) {
            let inside = keys.iter().any(|key| key.contains(&value));
            // A number of nines only is its own mask.
            let changes = super::value(&value) != value;
            prop_assert!(inside || !changes || !shown.contains(&value), "{} in {}", value, shown);
        }
    }

    #[test]
    fn no_form_value_survives(pairs in proptest::collection::vec(("[a-z_]{1,8}", secret()), 1..6)) {
        let text = pairs.iter().map(|(key, value)| format!("k_{key}={value}")).collect::<Vec<_>>().join("&");
        let shown = sample(&text);
        for (_, value) in &pairs {
            let inside = pairs.iter().any(|(key, _)| format!("k_{key}").contains(value.as_str()));
            prop_assert!(inside || !shown.contains(value.as_str()), "{} in {}", value, shown);
        }
    }

    #[test]
    fn any_text_is_masked_without_panic_and_once(text in any::<String>()) {
        let shown = sample(&text);
        prop_assert_eq!(sample(&shown), shown.clone());
        prop_assert_eq!(value(&value(&text)), value(&text));
        argument(&text);
    }
}
