//! Tryton's JSON-RPC: one URL for each database, and errors inside of answers
//! that say 200.

use concord_sdk::prelude::*;
use serde_json::json;

/// How much of an error text is passed on; the rest is a traceback.
const MESSAGE_MAX: usize = 300;

pub struct Rpc<'a> {
    host: &'a dyn Host,
    url: String,
    /// Goes with every call on records.
    context: Fields,
}

/// A call's result, and the server's clock at that moment.
pub struct Answer {
    pub result: Value,
    /// Whole seconds, in microseconds since 1970.
    pub at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl<'a> Rpc<'a> {
    /// Asks first which company the user works in: Tryton keeps some values of
    /// a party (its language, its accounts) for each company, and shows a
    /// person those of their own.
    pub fn open(host: &'a dyn Host) -> Result<Self, Fault> {
        let mut rpc = Self::without_company(host)?;
        let preferences = rpc.read("model.res.user.get_preferences", json!([true, {}]))?;
        if let Some(company) = preferences.result.get("company").filter(|c| !c.is_null()) {
            rpc.context.insert("company".into(), company.clone());
        }
        Ok(rpc)
    }

    fn without_company(host: &'a dyn Host) -> Result<Self, Fault> {
        let base = host.config_or_fault("base_url")?;
        let database = host.config_or_fault("database")?;
        let url = format!(
            "{}/{}/",
            base.trim_end_matches('/'),
            http::encode(&database)
        );
        let context = Fields::new();
        Ok(Self { host, url, context })
    }

    /// The user's context with these entries as well.
    pub fn context<const N: usize>(&self, more: [(&str, Value); N]) -> Value {
        let mut context = self.context.clone();
        context.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(context)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A method that only reads.
    pub fn read(&self, method: &str, params: Value) -> Result<Answer, Fault> {
        self.call(method, params, Kind::Read)
    }

    /// A method that writes.  It is one transaction: an error in the answer
    /// means that nothing of it was done.
    pub fn write(&self, method: &str, params: Value) -> Result<Answer, Fault> {
        self.call(method, params, Kind::Write)
    }

    /// The records of a model that match, archived ones included.
    pub fn search(
        &self,
        model: &str,
        domain: Value,
        limit: usize,
        fields: &[String],
    ) -> Result<(Vec<Fields>, i64), Fault> {
        let params = json!([
            domain,
            0,
            limit,
            [["id", "ASC"]],
            fields,
            self.context([("active_test", json!(false))])
        ]);
        let answer = self.read(&format!("model.{model}.search_read"), params)?;
        let rows = serde_json::from_value(answer.result)
            .map_err(|e| Fault::bug(format!("{model}.search_read gave no list of records: {e}")))?;
        Ok((rows, answer.at))
    }

    fn call(&self, method: &str, params: Value, kind: Kind) -> Result<Answer, Fault> {
        let mut request =
            Request::post(&self.url).json(&json!({"id": 1, "method": method, "params": params}))?;
        request.repeatable = kind == Kind::Read;
        let response = self.host.call_judged(request, refusal)?;
        let at = response
            .header("date")
            .and_then(time::parse_http_date)
            .unwrap_or(self.host.now() / 1_000_000 * 1_000_000);
        let mut body: Fields = response.json()?;
        if let Some(error) = body.get("error") {
            return Err(fault(error, kind));
        }
        match body.remove("result") {
            Some(result) => Ok(Answer { result, at }),
            None => Err(Fault::bug(format!(
                "neither result nor error: {}",
                response.summary()
            ))),
        }
    }
}

fn refusal(response: &Response) -> Option<Fault> {
    match response.status {
        401 => Some(Fault::AuthRevoked(
            "Tryton does not take this user name and password; change them and run again".into(),
        )),
        403 => Some(Fault::Forbidden(format!(
            "the user may not do that: {}",
            response.summary()
        ))),
        _ => None,
    }
}

/// Sorts `[type, details]` of trytond's own exceptions, or `[text, traceback]`
/// of all others (trytond/protocols/jsonrpc.py of 7.0).
fn fault(error: &Value, kind: Kind) -> Fault {
    let name = error.get(0).and_then(Value::as_str).unwrap_or_default();
    let detail = error.get(1).unwrap_or(&Value::Null);
    let message = cut(match detail {
        Value::Array(parts) => parts.first().and_then(Value::as_str).unwrap_or_default(),
        Value::String(text) => text,
        _ => "",
    });
    match (name, kind) {
        ("UserError", Kind::Write) => Fault::invalid("", message),
        ("UserError", Kind::Read) => Fault::Forbidden(message),
        ("UserWarning", _) => Fault::invalid(
            "",
            format!(
                "Tryton asks a person to confirm: {}",
                detail.get(1).and_then(Value::as_str).unwrap_or_default()
            ),
        ),
        ("ConcurrencyException", _) => Fault::VersionConflict(None),
        ("LoginException", _) => {
            Fault::AuthRevoked("Tryton wants a full sign-in of this user".into())
        }
        ("RateLimitException", _) => Fault::RateLimited(Delay {
            until: None,
            message: "too many failed sign-ins".into(),
        }),
        (text, _) if text.starts_with("Database '") && text.ends_with("doesn't exist!") => {
            Fault::Forbidden(
                "there is no such database; set 'database' to one that the server has".into(),
            )
        }
        (text, _) if text.contains("database is locked") => {
            Fault::transient("Tryton's database is busy; nothing was done")
        }
        (text, _) => Fault::bug(format!("Tryton failed with {}", cut(text))),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_sdk::testing::{FakeHost, answer, post};

    fn call(kind: Kind, body: Value) -> Result<Value, Fault> {
        let host = FakeHost::new()
            .with_config("base_url", "https://tryton.example.com/")
            .with_config("database", "a b");
        let sent = json!({"id": 1, "method": "model.party.party.read", "params": []});
        host.expect(
            post("https://tryton.example.com/a%20b/").json(&sent),
            answer(200).json(&body),
        );
        let rpc = Rpc::without_company(&host)?;
        rpc.call("model.party.party.read", json!([]), kind)
            .map(|a| a.result)
    }

    type Check = fn(&Fault) -> bool;

    #[test]
    fn the_errors_of_a_real_server_are_sorted() {
        // Answers of trytond 7.0.59.
        let exists = json!([
            "UserError",
            [
                "You are trying to write to records \"999\" of \"Party\" that don't exist.",
                "",
                null
            ]
        ]);
        let cases: [(Kind, Value, Check); 7] = [
            (
                Kind::Write,
                exists.clone(),
                |f| matches!(f, Fault::Invalid(l) if l[0].message.contains("999")),
            ),
            (Kind::Read, exists, |f| matches!(f, Fault::Forbidden(_))),
            (
                Kind::Write,
                json!([
                    "ConcurrencyException",
                    "Records were modified in the meanwhile"
                ]),
                |f| *f == Fault::VersionConflict(None),
            ),
            (
                Kind::Write,
                json!(["UserWarning", ["name", "Sure?", ""]]),
                |f| matches!(f, Fault::Invalid(l) if l[0].message.ends_with("Sure?")),
            ),
            (
                Kind::Read,
                json!(["'nofield'", ""]),
                |f| matches!(f, Fault::Bug(m) if m.contains("nofield")),
            ),
            (
                Kind::Read,
                json!(["Database '/srv/db/nodb.sqlite' doesn't exist!", ""]),
                |f| matches!(f, Fault::Forbidden(m) if m.contains("'database'")),
            ),
            (Kind::Write, json!(["database is locked", ""]), |f| {
                matches!(f, Fault::Transient(_))
            }),
        ];
        for (kind, error, expect) in cases {
            let fault = call(kind, json!({"id": 1, "error": error})).unwrap_err();
            assert!(expect(&fault), "{fault:?}");
        }
        assert_eq!(
            call(Kind::Read, json!({"id": 1, "result": [1]})),
            Ok(json!([1]))
        );
    }
}
