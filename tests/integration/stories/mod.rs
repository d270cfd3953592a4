//! Stories: people edit, hubs sync, and the end is what the people expect.
//! They are compiled once for each database, whose module says what a world is.

mod agreement;
mod batches;
mod compacting;
mod conflicts;
mod consent;
mod crash;
mod deletes;
mod doubt;
mod excluding;
mod guards;
mod hubs;
mod identity;
mod merged_inside;
mod merging;
mod order;
mod plans;
mod readable;
mod references;
mod restoring;
mod short_memory;
mod tenants;
mod undo;
mod unsettled;

use super::World;
