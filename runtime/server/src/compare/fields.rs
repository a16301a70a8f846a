//! Where two JSON values differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Fields that are told of one difference; more are left out.
pub const FIELDS_MAX: usize = 32;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldDifference {
    /// Where it is: `[0].value.delay` is the field `delay` of the value of the first record.
    pub path: String,
    /// What the running version has there; absent where it has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What the shadow has there; absent where it has nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// The fields in which `old` and `new` differ, at most [`FIELDS_MAX`] of them: objects are compared
/// by name and lists by place, anything else as a whole.
#[must_use]
pub fn field_differences(old: &Value, new: &Value) -> Vec<FieldDifference> {
    let mut found = Vec::new();
    walk("", Some(old), Some(new), &mut found);
    found
}

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<FieldDifference>) {
    if old == new || found.len() >= FIELDS_MAX {
        return;
    }
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(added) {
                let dot = if path.is_empty() { "" } else { "." };
                walk(&format!("{path}{dot}{name}"), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                walk(&format!("{path}[{at}]"), a.get(at), b.get(at), found);
            }
        }
        _ => found.push(FieldDifference {
            path: path.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let show = |value: Option<Value>| value.map_or_else(|| "-".into(), |v| v.to_string());
        let all = field_differences(old, new).into_iter();
        all.map(|f| format!("{}: {} {}", f.path, show(f.old), show(f.new))).collect()
    }

    #[test]
    fn only_what_differs_is_told_with_its_place() {
        let old = json!([{ "key": "a", "value": { "n": 1, "tags": ["x"], "gone": null } }]);
        let new = json!([{ "key": "a", "value": { "n": 2, "tags": ["x", "y"], "more": {} } }]);
        assert_eq!(
            told(&old, &new),
            [
                "[0].value.gone: null -",
                "[0].value.n: 1 2",
                "[0].value.tags[1]: - \"y\"",
                "[0].value.more: - {}"
            ]
        );
        assert!(told(&old, &old).is_empty());
        assert_eq!(told(&json!("a"), &json!({})), [": \"a\" {}"]);
    }

    #[test]
    fn fields_are_told_up_to_their_limit() {
        let list = |count: usize| Value::from(vec![1; count]);
        assert_eq!(field_differences(&list(0), &list(FIELDS_MAX)).len(), FIELDS_MAX);
        assert_eq!(field_differences(&list(0), &list(FIELDS_MAX + 1)).len(), FIELDS_MAX);
    }
}
