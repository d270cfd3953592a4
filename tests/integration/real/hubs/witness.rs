//! What the server itself says of several hubs: who has what, and whose turn it
//! was at the end of each transaction that wrote.

use std::collections::BTreeMap;

use concord_cluster::Database;

/// Where records, and what becomes of them, are written down.
const TABLES: [&str; 5] = ["events", "intents", "links", "entities", "streams"];

pub struct Witness {
    database: Database,
    /// The process of each hub, by what it calls itself to the server.
    hubs: BTreeMap<String, u32>,
}

/// Who holds what: the names of leases, with the words for their holders.
pub type Holders = BTreeMap<String, String>;

impl Witness {
    /// Looks at every transaction from now on.
    pub fn of(database: &Database) -> Self {
        let mut text = "
            CREATE TABLE witness (
                hub text, holder text, writes bigint, PRIMARY KEY (hub, holder)
            );
            CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                INSERT INTO witness
                SELECT current_setting('application_name'), coalesce(max(owner), 'nobody'), 1
                FROM leases WHERE name = 'writer'
                ON CONFLICT (hub, holder) DO UPDATE SET writes = witness.writes + 1;
                RETURN NULL;
            END $$;"
            .to_owned();
        for table in TABLES {
            text += &format!(
                "CREATE CONSTRAINT TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON {table}
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION witness();"
            );
        }
        database.tell(&text).unwrap();
        Self {
            database: database.clone(),
            hubs: BTreeMap::new(),
        }
    }

    /// A name for a hub that is about to start.
    pub fn name(&self) -> String {
        format!("hub {}", self.hubs.len())
    }

    pub fn started(&mut self, name: String, process: u32) {
        self.hubs.insert(name, process);
    }

    pub fn holders(&self) -> Holders {
        let text = "SELECT name, owner FROM leases WHERE owner IS NOT NULL";
        let rows = self.database.tell(text).unwrap();
        let holder = |row: String| {
            let (name, owner) = row.split_once('\t')?;
            Some((name.to_owned(), owner.to_owned()))
        };
        rows.into_iter().filter_map(holder).collect()
    }

    /// The rows that hubs have written in all, and how many of them while another
    /// had the turn.
    pub fn writes(&self) -> (u64, u64) {
        let (mut all, mut late) = (0, 0);
        for row in self.database.tell("TABLE witness").unwrap() {
            let values: Vec<&str> = row.split('\t').collect();
            let [hub, holder, writes] = values[..] else {
                panic!("{row}");
            };
            let Some(process) = self.hubs.get(hub) else {
                continue;
            };
            let writes: u64 = writes.parse().unwrap();
            all += writes;
            if !is(holder, *process) {
                late += writes;
            }
        }
        (all, late)
    }
}

/// Whether the words for a holder mean this process.
pub fn is(holder: &str, process: u32) -> bool {
    holder.contains(&format!("process {process} on"))
}
