//! Three hubs as processes on one PostgreSQL share sixty connections.  Again and
//! again one is killed in the middle of its writes, and another is stopped for
//! longer than its claims last and goes on.  Most of the accounts know no
//! preconditions; the address books refuse a write that is not of the version
//! that they hold.

mod books;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use concord_core::ports::Clock;
use concord_engine::clock::SystemClock;
use concord_twins::by_name;
use rustix::process::Signal;
use serde_json::{Value, json};

use books::Books;
use witness::Witness;

use crate::binary::account::{self, Account, Events};
use crate::binary::office::email;
use crate::binary::program::{Program, Running};

const CONNECTIONS: usize = 60;
/// So many of them are address books, evenly among the others.
const BOOKS: usize = 10;
const ACCOUNTS: usize = CONNECTIONS - BOOKS;
const PEOPLE: usize = 12;
const HUBS: usize = 3;
/// How long claims last, and by how much longer a hub is stopped.
const LEASE: u64 = 5;
const BEYOND: u64 = 3;
/// Clocks may be so far apart: claims are left alone for so much longer.
const SKEW: u64 = 2;
/// How often; `CONCORD_TEST_ROUNDS` says otherwise.
const ROUNDS: usize = 100;
/// Syncs after which nothing may be owed any more.
const DRAINS: usize = 6;
/// What people change in the accounts before each round; one more is changed in
/// a book.  Each field of a person is changed so seldom that nobody takes it for a
/// fight of two systems.
const EDITS: usize = 3;

struct Offices {
    accounts: Vec<Account>,
    books: Books,
    witness: Witness,
    program: Program,
    events: Arc<Events>,
    /// The twins live in it.
    _runtime: tokio::runtime::Runtime,
}

impl Offices {
    fn open() -> Self {
        let runtime = account::runtime();
        let events = Events::new();
        let latency = Duration::from_millis(5);
        let accounts: Vec<Account> = (0..ACCOUNTS)
            .map(|_| {
                let twin = by_name("hubspot", 7, PEOPLE).unwrap();
                Account::open(&runtime, twin, latency, &events)
            })
            .collect();
        let database = concord_cluster::database().unwrap();
        let mut program = Program::on_server(&database);
        program.set("TOKEN", "the-key-to-all-of-them");
        for (variable, text) in Books::secrets() {
            program.set(variable, text);
        }
        let books = Books::open(BOOKS);
        let offices = accounts.iter().map(|account| {
            format!(
                "    connector: hubspot\n    \
                 config: {{ base_url: \"{}\" }}\n    \
                 secrets: {{ token: {{ env: TOKEN }} }}\n    \
                 network: {{ allow-private: true }}\n    \
                 quotas: [{{ class: \"\" }}, {{ class: search }}]\n",
                account.url
            )
        });
        let mut config = "connections:\n".to_owned();
        for (number, office) in offices.enumerate() {
            config += &format!("  office{number:02}:\n{office}");
            // Hubs take connections in the order of their names.
            if let (0, book) = (number % (ACCOUNTS / BOOKS), number / (ACCOUNTS / BOOKS)) {
                config += &format!("  office{number:02}book:\n{}", books.connection(book));
            }
        }
        program.apply(&config).fine();
        Self {
            accounts,
            books,
            witness: Witness::of(&database),
            program,
            events,
            _runtime: runtime,
        }
    }

    fn start(&mut self) -> Running {
        let name = self.witness.name();
        let line = format!("sync --approve --lease {LEASE}");
        let running = self.program.start_with(&line, "PGAPPNAME", &name);
        self.witness.started(name, running.id());
        running
    }

    /// How soon after its start a hub that joins another one has work.
    fn join(&mut self) -> Duration {
        let clock = SystemClock::new();
        let before = self.events.count();
        let mut first = self.start();
        self.events
            .reach(before + ACCOUNTS / 4, || first.has_ended());
        let start = clock.monotonic();
        let mut second = self.start();
        let process = second.id();
        let works = |(name, holder): (&String, &String)| {
            name.starts_with("connection/") && witness::is(holder, process)
        };
        while !self.witness.holders().iter().any(works) {
            assert!(!second.has_ended(), "a hub that joined found nothing to do");
        }
        let took = clock.monotonic() - start;
        first.end().fine();
        second.end().fine();
        took
    }

    /// Waits until a hub has ended, and says how long after the beginning it took
    /// the last of what these two had.
    fn succeed(&self, hub: &mut Running, gone: [u32; 2]) -> Duration {
        let clock = SystemClock::new();
        let start = clock.monotonic();
        let by_one_gone = |holder: &str| gone.iter().any(|process| witness::is(holder, *process));
        let mut left = self.witness.holders();
        left.retain(|_, holder| by_one_gone(holder));
        let mut last = Duration::ZERO;
        while !hub.has_ended() {
            if !left.is_empty() {
                let now = self.witness.holders();
                let before = left.len();
                left.retain(|name, _| now.get(name).is_some_and(|holder| by_one_gone(holder)));
                if left.len() < before {
                    last = clock.monotonic() - start;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        last
    }

    fn contacts(&self, account: usize) -> Vec<Value> {
        let dump = self.accounts[account].look("dump/contacts");
        dump["results"].as_array().unwrap().clone()
    }

    /// Somebody changes one field of one person, in one account.
    fn edit(&self, round: usize, number: usize) -> (String, &'static str, String) {
        const FIELDS: [&str; 3] = ["jobtitle", "city", "website"];
        let account = (round * 17 + number * 7) % ACCOUNTS;
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

    /// The writes since the last look at systems without preconditions and at
    /// those with, and how many of the latter were refused.
    fn take_writes(&self) -> (u64, usize, usize) {
        let (books, refused) = self.books.take_writes();
        let accounts = self.accounts.iter().map(Account::take_writes).sum();
        (accounts, books, refused)
    }

    /// What every account holds of each person: fields by address.
    fn holdings(&self, account: usize) -> BTreeMap<String, Value> {
        let fields = [
            "email",
            "firstname",
            "lastname",
            "jobtitle",
            "company",
            "city",
            "website",
        ];
        let mut all = BTreeMap::new();
        for contact in self.contacts(account) {
            let address = email(&contact);
            if address.is_empty() {
                continue;
            }
            let value = |field: &&str| contact["properties"][*field].as_str().unwrap_or_default();
            let values: Vec<&str> = fields.iter().map(value).collect();
            let twice = all.insert(address.clone(), json!(values));
            assert_eq!(twice, None, "{address} is twice in account {account}");
        }
        all
    }
}

#[test]
#[ignore = "takes minutes: cargo xtask test --real"]
fn three_hubs_share_sixty_connections_though_they_are_killed_and_stopped() {
    let rounds = std::env::var("CONCORD_TEST_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let mut offices = Offices::open();
    // The first load: everybody comes to know everybody.
    for _ in 0..2 {
        let hubs: Vec<Running> = (0..HUBS).map(|_| offices.start()).collect();
        for hub in hubs {
            hub.end().fine();
        }
    }
    let (mut killed, mut stopped, mut anew) = (0, 0, 0);
    // At systems without preconditions, and at those with: taken, refused.
    let mut late = (0, 0, 0);
    let clock = SystemClock::new();
    let start = clock.monotonic();
    offices.start().end().fine();
    let alone = clock.monotonic() - start;
    let joined = offices.join();
    assert!(joined < Duration::from_secs(LEASE), "{joined:?}");
    let mut moved = Vec::new();
    let begin = clock.monotonic();
    let mut last: BTreeMap<(String, &str), String> = BTreeMap::new();
    for round in 0..rounds {
        for number in 0..EDITS {
            let (address, field, value) = offices.edit(round, number);
            last.insert((address, field), value);
        }
        let company = format!("Round {round} in a book");
        let address = offices.books.hire(round % BOOKS, round + EDITS, &company);
        last.insert((address, "company"), company);
        let before = offices.events.count();
        let mut hubs: Vec<Running> = (0..HUBS).map(|_| offices.start()).collect();
        // Two reads of each account have been when the writes begin.
        let writes = before + ACCOUNTS + (round * 29) % (3 * ACCOUNTS);
        let victim = hubs.remove(0);
        let mut stalled = hubs.remove(0);
        let mut other = hubs.remove(0);
        offices.events.reach(writes, || other.has_ended());
        stalled.signal(Signal::STOP);
        offices.events.reach(writes + 5, || other.has_ended());
        let victim_id = victim.id();
        victim.kill();
        killed += 1;
        let start = clock.monotonic();
        // It ends, although both others had taken connections.
        moved.push(offices.succeed(&mut other, [victim_id, stalled.id()]));
        let ended = other.end();
        assert_eq!(ended.code, Some(0), "round {round}: {ended:?}");
        let took = clock.monotonic() - start;
        let beyond = Duration::from_secs(LEASE + BEYOND);
        std::thread::sleep(beyond.saturating_sub(took));
        offices.take_writes();
        let before = offices.events.count();
        stalled.signal(Signal::CONT);
        stopped += 1;
        // A run reads every account before it writes to one, so what is written
        // before that was on its way when its hub was stopped.
        if offices
            .events
            .reach(before + ACCOUNTS / 2, || stalled.has_ended())
        {
            let (accounts, books, refused) = offices.take_writes();
            late = (
                late.0 + accounts,
                late.1 + books - refused,
                late.2 + refused,
            );
        }
        let ended = stalled.end();
        assert_eq!(ended.code, Some(0), "round {round}: {ended:?}");
        anew += ended.stderr.matches("begins anew").count();
    }
    let round = (clock.monotonic() - begin) / u32::try_from(rounds).unwrap();
    let mut open = Value::Null;
    for _ in 0..DRAINS {
        open = offices.start().end().fine()["open"].clone();
    }
    assert_eq!(open, 0, "writes stay in doubt");
    let first = offices.holdings(0);
    for account in 1..ACCOUNTS {
        let holdings = offices.holdings(account);
        assert_eq!(holdings, first, "account {account} differs");
    }
    for book in 0..BOOKS {
        assert_eq!(offices.books.holdings(book), first, "book {book} differs");
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
    let none = (0, 0, 0);
    assert_eq!(
        (report["writes"].as_u64(), more),
        (Some(0), none),
        "{report}"
    );
    let (written, written_late) = offices.witness.writes();
    assert!(written > 0, "the server saw nobody write");
    assert_eq!(written_late, 0, "rows that a hub wrote in another's turn");
    // Taken when it is free, or when the hub that goes on comes to it.
    moved.sort();
    let (median, longest) = (moved[rounds / 2], moved[rounds - 1]);
    let bound = Duration::from_secs(LEASE + SKEW) + 2 * alone;
    println!(
        "hubs: {rounds} rounds, {killed} killed, {stopped} stopped, {anew} began anew, \
         {} edits, 0 lost, late writes: {} at systems without preconditions, {} at those with, \
         where {} were refused; 0 of {written} rows \
         written in another's turn; {} people in {ACCOUNTS} accounts and {BOOKS} address books; what \
         the dead and the stopped had was taken over within {:.1} s, half of it within {:.1} s, \
         and one that joins has work after {:.1} s; a run alone takes {:.1} s, a \
         round {:.1} s",
        rounds * (EDITS + 1),
        late.0,
        late.1,
        late.2,
        first.len(),
        longest.as_secs_f64(),
        median.as_secs_f64(),
        joined.as_secs_f64(),
        alone.as_secs_f64(),
        round.as_secs_f64(),
    );
    assert!(longest <= bound, "work moved only after {longest:?}");
    assert_eq!(late.1, 0, "late writes that a precondition did not refuse");
}
