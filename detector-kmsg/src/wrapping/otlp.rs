//! Values as OpenTelemetry writes them in JSON: each says of which type it is.

use serde_json::{Map, Value};

/// `{"stringValue":"…"}`
pub(super) fn string(value: &Value) -> Option<&str> {
    value.get("stringValue")?.as_str()
}

/// `{"kvlistValue":{"values":[{"key":"MESSAGE","value":{"stringValue":"…"}},…]}}` as an object.
pub(super) fn map(members: &Map<String, Value>) -> Option<Map<String, Value>> {
    let values = members.get("kvlistValue")?.get("values")?.as_array()?;
    Some(pairs(values).collect())
}

/// What is told beside a record, and of what it comes from.
pub(super) fn attributes(
    members: &Map<String, Value>,
) -> impl Iterator<Item = (String, Value)> + use<'_> {
    let own = members.get("attributes");
    let of_source = members
        .get("resource")
        .and_then(|resource| resource.get("attributes"));
    let lists = own.into_iter().chain(of_source);
    { lists.filter_map(Value::as_array) }.flat_map(|items| pairs(items))
}

fn pairs(items: &[Value]) -> impl Iterator<Item = (String, Value)> {
    items.iter().filter_map(|item| {
        let name = item.get("key")?.as_str()?;
        let value = item.get("value")?;
        let plain = value.get("stringValue").or_else(|| value.get("intValue"));
        Some((name.to_owned(), plain?.clone()))
    })
}
