//! Three hubs as processes on one PostgreSQL share sixty connections.  Again and
//! again one is killed in the middle of its writes, and another is stopped for
//! longer than its claims last and goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::Clock;
use concord_engine::clock::SystemClock;
use concord_twins::by_name;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::binary::account::{Account, Events};
use crate::binary::office::email;
use crate::binary::program::{Program, Running};

const CONNECTIONS: usize = 60;
const PEOPLE: usize = 12;
const HUBS: usize = 3;
/// How long claims last, and by how much longer a hub is stopped.
const LEASE: u64 = 8;
const BEYOND: u64 = 4;
/// How often; `CONCORD_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 100;
/// Syncs after which nothing may be owed any more.
const DRAINS: usize = 6;

struct Offices {
    accounts: Vec<Account>,
    program: Program,
    events: Arc<Events>,
    /// The twins live in it.
    _runtime: tokio::runtime::Runtime,
}

impl Offices {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let events = Events::new();
        let latency = Duration::from_millis(5);
        let accounts: Vec<Account> = (0..CONNECTIONS)
            .map(|_| {
                let twin = by_name("hubspot", 7, PEOPLE).unwrap();
                Account::open(&runtime, twin, latency, &events)
            })
            .collect();
        let database = concord_cluster::database().unwrap();
        let mut program = Program::on_server(&database);
        program.set("TOKEN", "the-key-to-all-of-them");
        let mut config = "connections:\n".to_owned();
        for (number, account) in accounts.iter().enumerate() {
            config += &format!(
                "  office{number:02}:\n    connector: hubspot\n    \
                 config: {{ base_url: \"{}\" }}\n    \
                 secrets: {{ token: {{ env: TOKEN }} }}\n    \
                 network: {{ allow-private: true }}\n    \
                 quotas: [{{ class: \"\" }}, {{ class: search }}]\n",
                account.url
            );
        }
        program.apply(&config).fine();
        Self {
            accounts,
            program,
            events,
            _runtime: runtime,
        }
    }

    fn start(&self) -> Running {
        self.program
            .start(&format!("sync --approve --lease {LEASE}"))
    }

    fn contacts(&self, account: usize) -> Vec<Value> {
        let dump = self.accounts[account].look("dump/contacts");
        dump["results"].as_array().unwrap().clone()
    }

    /// Somebody changes one field of one person, in one account.
    fn edit(&self, round: usize, number: usize) -> (String, &'static str, String) {
        const FIELDS: [&str; 3] = ["jobtitle", "city", "website"];
        let account = (round * 17 + number * 7) % CONNECTIONS;
        let mut contacts = self.contacts(account);
        contacts.retain(|contact| !email(contact).is_empty());
        contacts.sort_by_key(email);
        let contact = &contacts[(round + number) % contacts.len()];
        let field = FIELDS[number % FIELDS.len()];
        let value = match field {
            "website" => format!("https://r{round}-n{number}.example"),
            _ => format!("Round {round} number {number}"),
        };
        let wish = json!({"id": contact["id"], "properties": {field: value}});
        self.accounts[account].act("edit", &wish);
        (email(contact), field, value)
    }

    fn take_writes(&self) -> u64 {
        self.accounts.iter().map(Account::take_writes).sum()
    }

    /// What every account holds of each person: fields by address.
    fn holdings(&self, account: usize) -> BTreeMap<String, Value> {
        let fields = [
            "email",
            "firstname",
            "lastname",
            "jobtitle",
            "city",
            "website",
        ];
        let mut all = BTreeMap::new();
        for contact in self.contacts(account) {
            let address = email(&contact);
            if address.is_empty() {
                continue;
            }
            let values: Vec<&Value> = fields.iter().map(|f| &contact["properties"][f]).collect();
            let twice = all.insert(address.clone(), json!(values));
            assert_eq!(twice, None, "{address} is twice in account {account}");
        }
        all
    }
}

fn signal(running: &Running, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
#[ignore = "takes minutes: cargo xtask test --real"]
fn three_hubs_share_sixty_connections_though_they_are_killed_and_stopped() {
    let rounds = std::env::var("CONCORD_TEST_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let offices = Offices::open();
    // The first load: everybody comes to know everybody.
    for _ in 0..2 {
        let hubs: Vec<Running> = (0..HUBS).map(|_| offices.start()).collect();
        for hub in hubs {
            hub.end().fine();
        }
    }
    let (mut killed, mut stopped, mut anew, mut late) = (0, 0, 0, 0);
    let mut longest = Duration::ZERO;
    let mut last: BTreeMap<(String, &str), String> = BTreeMap::new();
    for round in 0..rounds {
        for number in 0..3 {
            let (address, field, value) = offices.edit(round, number);
            last.insert((address, field), value);
        }
        let before = offices.events.count();
        let mut hubs: Vec<Running> = (0..HUBS).map(|_| offices.start()).collect();
        // Two reads of each account have been when the writes begin.
        let writes = before + CONNECTIONS + (round * 29) % (3 * CONNECTIONS);
        let victim = hubs.remove(0);
        let mut stalled = hubs.remove(0);
        let mut other = hubs.remove(0);
        offices.events.reach(writes, || other.has_ended());
        signal(&stalled, Signal::STOP);
        offices.events.reach(writes + 5, || other.has_ended());
        victim.kill();
        killed += 1;
        let clock = SystemClock::new();
        let start = clock.monotonic();
        // It ends, although both others had taken connections.
        let ended = other.end();
        assert_eq!(ended.code, Some(0), "round {round}: {ended:?}");
        let took = clock.monotonic() - start;
        longest = longest.max(took);
        let beyond = Duration::from_secs(LEASE + BEYOND);
        std::thread::sleep(beyond.saturating_sub(took));
        offices.take_writes();
        let before = offices.events.count();
        signal(&stalled, Signal::CONT);
        stopped += 1;
        // A run reads every account before it writes to one, so what is written
        // before that was on its way when its hub was stopped.
        if offices
            .events
            .reach(before + CONNECTIONS / 2, || stalled.has_ended())
        {
            late += offices.take_writes();
        }
        let ended = stalled.end();
        assert_eq!(ended.code, Some(0), "round {round}: {ended:?}");
        anew += ended.stderr.matches("begins anew").count();
    }
    let mut open = Value::Null;
    for _ in 0..DRAINS {
        open = offices.start().end().fine()["open"].clone();
    }
    assert_eq!(open, 0, "writes stay in doubt");
    let first = offices.holdings(0);
    for account in 1..CONNECTIONS {
        assert_eq!(
            offices.holdings(account),
            first,
            "account {account} differs"
        );
    }
    let held = json!(first).to_string();
    let lost: Vec<_> = last
        .values()
        .filter(|value| !held.contains(*value))
        .collect();
    assert_eq!(lost, Vec::<&String>::new(), "edits that nobody holds");
    offices.take_writes();
    let report = offices.start().end().fine();
    let more = offices.take_writes();
    assert_eq!((report["writes"].as_u64(), more), (Some(0), 0), "{report}");
    println!(
        "hubs: {rounds} rounds, {killed} killed, {stopped} stopped, {anew} began anew, \
         {} edits, 0 lost, {late} late writes at systems without preconditions, {} people in \
         {CONNECTIONS} accounts, the third hub was through within {} s",
        rounds * 3,
        first.len(),
        longest.as_secs()
    );
}
