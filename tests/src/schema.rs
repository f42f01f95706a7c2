//! Holds JSON against a published schema, so far as these schemas go: types, fields, references,
//! choices. Stricter than a validator in one point: a field that the schema does not name is a
//! finding, for it is not documented.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A schema of `docs/schema`.
#[derive(Debug)]
pub struct Schema(Value);

impl Schema {
    /// Reads `docs/schema/NAME.json`.
    pub fn read(name: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
        let file = folder.join(format!("{name}.json"));
        let text = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(Self(serde_json::from_slice(&text)?))
    }

    /// Fails with the place and the reason if `value` is not as the schema says.
    pub fn check(&self, value: &Value) -> Result<()> {
        self.check_at(&self.0, value, "$")
    }

    fn check_at(&self, schema: &Value, value: &Value, place: &str) -> Result<()> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let target = self.0.pointer(pointer);
            let target = target.with_context(|| format!("{place}: no {reference}"))?;
            return self.check_at(target, value, place);
        }
        for choice in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[choice].as_array() {
                let fits = |choice: &Value| {
                    let whole = with_fields_of(choice, schema);
                    self.check_at(&whole, value, place).is_ok()
                };
                ensure!(choices.iter().any(fits), "{place}: {value} fits no choice");
                return Ok(());
            }
        }
        if let Some(constant) = schema.get("const") {
            ensure!(constant == value, "{place}: {value} is not {constant}");
        }
        if let Some(words) = schema["enum"].as_array() {
            ensure!(
                words.contains(value),
                "{place}: {value} is none of {words:?}"
            );
        }
        check_type(&schema["type"], value, place)?;
        if let Some(items) = value.as_array() {
            for (index, item) in items.iter().enumerate() {
                self.check_at(&schema["items"], item, &format!("{place}[{index}]"))?;
            }
        }
        self.check_fields(schema, value, place)
    }

    fn check_fields(&self, schema: &Value, value: &Value, place: &str) -> Result<()> {
        let Some(fields) = value.as_object() else {
            return Ok(());
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            ensure!(fields.contains_key(name), "{place}.{name} is missing");
        }
        for (name, field) in fields {
            let known = &schema["properties"][name];
            let other = &schema["additionalProperties"];
            let schema = if known.is_null() { other } else { known };
            ensure!(schema.is_object(), "{place}.{name} is not documented");
            self.check_at(schema, field, &format!("{place}.{name}"))?;
        }
        Ok(())
    }
}

/// A choice, and the fields that stand beside all choices.
fn with_fields_of(choice: &Value, schema: &Value) -> Value {
    let mut whole = choice.clone();
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            whole["properties"][name] = field.clone();
        }
        let mut required = choice["required"].as_array().cloned().unwrap_or_default();
        required.extend(schema["required"].as_array().into_iter().flatten().cloned());
        whole["required"] = required.into();
    }
    whole
}

fn check_type(wanted: &Value, value: &Value, place: &str) -> Result<()> {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    let fits = match wanted {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    };
    if !fits {
        bail!("{place}: {value} is no {wanted}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use serde_json::json;

    #[test]
    fn what_differs_from_the_schema_is_found() {
        let schema = Schema(json!({
            "type": "array",
            "items": {"$ref": "#/$defs/Row"},
            "$defs": {"Row": {
                "type": "object",
                "required": ["a"],
                "properties": {
                    "a": {"type": ["integer", "null"]},
                    "b": {"anyOf": [{"const": "x"}, {"type": "null"}]},
                    "c": {
                        "properties": {"d": {"type": "integer"}},
                        "required": ["d"],
                        "oneOf": [{"properties": {"e": {"const": 1}}}, {"required": ["f"]}],
                    },
                },
            }},
        }));
        schema
            .check(&json!([{"a": 1, "b": "x"}, {"a": null, "b": null, "c": {"d": 1, "e": 1}}]))
            .unwrap();
        for wrong in [
            json!({}),
            json!([{}]),
            json!([{"a": 1.5}]),
            json!([{"a": 1, "b": "y"}]),
            json!([{"a": 1, "c": {"e": 1}}]),
            json!([{"a": 1, "c": {"d": 1, "e": 2}}]),
            json!([{"a": 1, "d": 1}]),
        ] {
            schema.check(&wrong).unwrap_err();
        }
    }
}
