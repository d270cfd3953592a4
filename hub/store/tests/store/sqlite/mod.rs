//! The tests of the port, on files.

use crate::bases::OnFile as Base;

#[path = "../allowances.rs"]
mod allowances;
#[path = "../deliveries.rs"]
mod deliveries;
#[path = "../finding.rs"]
mod finding;
#[path = "../keeping.rs"]
mod keeping;
#[path = "../leases.rs"]
mod leases;
#[path = "../model.rs"]
mod model;
#[path = "../removing.rs"]
mod removing;
#[path = "../round_trips.rs"]
mod round_trips;
#[path = "../rules.rs"]
mod rules;
#[path = "../secrets.rs"]
mod secrets;
