//! A connector that misbehaves as its connection's configuration says.
//!
//! It is built like every connector, so what the host holds against it, it
//! holds against all of them.

mod behaviour;
mod memory;

use concord_sdk::prelude::*;

pub struct Hostile;

concord_sdk::export!(Hostile, manifest = "../manifest.toml");

impl Connector for Hostile {
    /// Uses the network as it is told and says what came of it.
    fn check(host: &dyn Host) -> Result<Description, Fault> {
        behaviour::network(host).map(|what_came| Description {
            account_id: "hostile".into(),
            account_name: what_came,
            unavailable: Vec::new(),
        })
    }

    fn discover(_host: &dyn Host) -> Result<Vec<StreamInfo>, Fault> {
        Ok(Vec::new())
    }

    fn pull(
        host: &dyn Host,
        _stream: &str,
        _selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<Page, Fault> {
        behaviour::page(host, cursor)
    }

    /// Answers with one change fewer than was asked for.
    fn fetch(
        _host: &dyn Host,
        _stream: &str,
        ids: &[String],
        _fields: &[String],
    ) -> Result<Vec<Change>, Fault> {
        let kept = ids.iter().skip(1);
        Ok(kept
            .map(|id| Change::gone(id.clone(), Absence::Hidden, None))
            .collect())
    }

    /// Finds a record that nobody can read.
    fn find(
        _host: &dyn Host,
        _stream: &str,
        _values: &Fields,
        _fields: &[String],
    ) -> Result<Vec<RemoteRecord>, Fault> {
        Ok(vec![behaviour::record("1", "not JSON")])
    }

    fn push(host: &dyn Host, _stream: &str, ops: &[Op]) -> Result<Vec<Outcome>, Fault> {
        behaviour::outcomes(host, ops)
    }
}
