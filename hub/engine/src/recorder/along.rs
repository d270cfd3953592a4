//! Where a replay is along its recording, and what departed so far.

use concord_core::ports::{HttpError, HttpResponse};
use serde_json::Value;
use serde_json::value::RawValue;

use super::difference::Departure;
use super::event::{Call, Ended, Event, Sent};
use super::format::{Entry, TapeError};
use super::player::Played;
use super::tape::TapeReader;

/// So many departures are told; all of them are counted.
const SHOWN: usize = 20;

pub(super) struct State {
    pub tape: TapeReader,
    pub next: Option<Entry>,
    /// How many of the next event's readings were given out.
    pub read_now: usize,
    pub read_mono: usize,
    pub now: i64,
    pub mono: i64,
    pub calls: u64,
    pub call: Option<Call>,
    pub same: Played,
    pub departures: Vec<Departure>,
    pub count: usize,
    pub ended: Option<String>,
    pub cut: bool,
    pub broken: Option<TapeError>,
}

impl State {
    pub fn begin(mut tape: TapeReader) -> Result<Self, TapeError> {
        Ok(Self {
            next: tape.entry()?,
            tape,
            read_now: 0,
            read_mono: 0,
            now: 0,
            mono: 0,
            calls: 0,
            call: None,
            same: Played::default(),
            departures: Vec::new(),
            count: 0,
            ended: None,
            cut: false,
            broken: None,
        })
    }

    pub fn is_over(&self) -> bool {
        self.ended.is_some() || self.cut || self.broken.is_some()
    }

    pub fn peek(&self) -> Option<&Event> {
        self.next.as_ref().map(|entry| &entry.event)
    }

    /// Goes behind the next event.  Readings that nobody took have gone by.
    pub fn advance(&mut self) {
        let Some(entry) = self.next.take() else {
            return;
        };
        let rest = |all: &[i64], read: usize| all.iter().skip(read).sum::<i64>();
        self.now = self.now.wrapping_add(rest(&entry.now, self.read_now));
        self.mono = self.mono.wrapping_add(rest(&entry.mono, self.read_mono));
        (self.read_now, self.read_mono) = (0, 0);
        match self.tape.entry() {
            Ok(next) => self.next = next,
            Err(error) => self.broken = Some(error),
        }
    }

    fn place(&self) -> String {
        match &self.call {
            Some(call) => format!("call {}, {}", self.calls, call.name()),
            None if self.calls == 0 => "before the first call".to_owned(),
            None => format!("after call {}", self.calls),
        }
    }

    fn depart(&mut self, departure: Departure) {
        self.count += 1;
        if self.departures.len() < SHOWN {
            self.departures.push(departure);
        }
    }

    fn depart_with(&mut self, what: impl Into<String>) {
        let departure = Departure::new(self.place(), what);
        self.depart(departure);
    }

    fn end(&mut self, why: impl Into<String>) {
        self.ended = Some(why.into());
    }

    /// Where nothing was recorded behind this place.
    fn is_cut(&mut self) -> bool {
        match self.peek() {
            None | Some(Event::End(Ended::Interrupted)) => {
                self.cut = true;
                true
            }
            Some(_) => false,
        }
    }

    pub fn note(&mut self, event: Event) {
        if self.is_cut() {
            return;
        }
        match event {
            Event::Call(call) => self.called(call),
            Event::Answer(answer) => self.answered(&answer.result),
            Event::End(ended) => self.through(&ended),
            done @ (Event::Commit(_) | Event::Document { .. } | Event::Dirty(_)) => {
                self.committed(&done);
            }
            // Both are played and not noted.
            Event::Http(_) | Event::Token(_) => {}
        }
    }

    /// Events that the recorded run has and this one has not, up to one of these.
    fn skip_to(&mut self, wanted: impl Fn(&Event) -> bool) -> u64 {
        let mut skipped = 0;
        while let Some(event) = self.peek()
            && !wanted(event)
        {
            // Whether there were credentials is no deed of the run's.
            skipped += u64::from(!matches!(event, Event::Token(_)));
            self.advance();
        }
        skipped
    }

    fn called(&mut self, call: Call) {
        let skipped = self.skip_to(|event| matches!(event, Event::Call(_) | Event::End(_)));
        if skipped > 0 {
            self.depart_with(format!("{skipped} recorded commits are not made"));
        }
        if self.is_cut() {
            return;
        }
        let recorded = match self.peek() {
            Some(Event::Call(recorded)) if recorded.is_like(&call) => recorded.clone(),
            Some(Event::Call(recorded)) => {
                let what = format!("it calls {} in place of {}", call.name(), recorded.name());
                self.depart_with(&what);
                return self.end(format!("{what}: what that answers was not recorded"));
            }
            _ => {
                let what = format!("it calls {}, and the recorded run was through", call.name());
                self.depart_with(&what);
                return self.end(what);
            }
        };
        self.calls += 1;
        let (before, after) = (recorded.with, call.with.clone());
        self.call = Some(call);
        if before.get() == after.get() {
            self.same.calls += 1;
        } else {
            self.differ("it is called with something else", &before, &after);
        }
        self.advance();
    }

    pub fn answer(&mut self, connection: &str, sent: &Sent) -> Result<HttpResponse, HttpError> {
        let over = || HttpError::Unreachable("the replay ended".to_owned());
        if self.is_over() || self.is_cut() {
            return Err(over());
        }
        // Credentials that this run did not ask for.
        self.skip_to(|event| !matches!(event, Event::Token(_)));
        let exchange = match self.peek() {
            Some(Event::Http(exchange)) if exchange.connection == connection => exchange.clone(),
            Some(_) => {
                self.unknown(sent);
                return Err(over());
            }
            None => {
                self.cut = true;
                return Err(over());
            }
        };
        if exchange.request == *sent {
            self.same.requests += 1;
        } else {
            let writes = self
                .call
                .as_ref()
                .is_some_and(|call| call.operation == "push");
            let departure = Departure::of_requests(self.place(), &exchange.request, sent);
            self.depart(departure);
            let same_place =
                exchange.request.method == sent.method && exchange.request.path() == sent.path();
            if writes || !same_place {
                self.end(
                    "what the system answers to that was not recorded: record a run with this \
                     connector and mapping (`concord sync --record`)",
                );
                return Err(over());
            }
        }
        self.advance();
        match exchange.answer {
            Ok(received) => Ok(received.response()),
            Err(failure) => Err(failure.error()),
        }
    }

    /// A request that the recorded run did not send.
    fn unknown(&mut self, sent: &Sent) {
        self.depart_with(format!(
            "it asks {} {}, which the recorded run did not",
            sent.method, sent.url
        ));
        self.end(
            "the recording has no answer to that: record a run with this connector and mapping \
             (`concord sync --record`)",
        );
    }

    fn answered(&mut self, result: &RawValue) {
        let skipped = self.skip_to(|event| matches!(event, Event::Answer(_) | Event::End(_)));
        if skipped > 0 {
            self.depart_with(format!("{skipped} recorded requests are not sent"));
        }
        if let Some(Event::Answer(recorded)) = self.peek() {
            let recorded = recorded.result.clone();
            if recorded.get() != result.get() {
                self.differ("the connector answers otherwise", &recorded, result);
            }
            self.advance();
        } else {
            self.is_cut();
        }
        self.call = None;
    }

    fn committed(&mut self, done: &Event) {
        let same = match (self.peek(), done) {
            (Some(Event::Commit(recorded)), Event::Commit(replayed)) => {
                let recorded = recorded.clone();
                let same = recorded.get() == replayed.get();
                if same {
                    self.same.commits += 1;
                    self.same.intents += intents(replayed);
                } else {
                    self.differ("it commits something else", &recorded, replayed);
                }
                true
            }
            (
                Some(Event::Document { name, text }),
                Event::Document {
                    name: replayed_name,
                    text: replayed,
                },
            ) if name == replayed_name => {
                let text = text.clone();
                if text == *replayed {
                    self.same.commits += 1;
                } else {
                    let departure = Departure::between(
                        self.place(),
                        format!("it puts another {replayed_name} into the books"),
                        &parsed(&text),
                        &parsed(replayed),
                    );
                    self.depart(departure);
                }
                true
            }
            (Some(Event::Dirty(kind)), Event::Dirty(replayed)) => kind == replayed,
            _ => false,
        };
        if same {
            self.advance();
        } else {
            let mut departure = Departure::new(self.place(), "it commits more than was recorded");
            if let Event::Commit(replayed) = done {
                let place = self.place();
                let what = departure.what;
                departure = Departure::between(place, what, &Value::Null, &parsed(replayed.get()));
            }
            self.depart(departure);
        }
    }

    fn through(&mut self, ended: &Ended) {
        let skipped = self.skip_to(|event| matches!(event, Event::End(_)));
        if skipped > 0 {
            self.depart_with(format!("{skipped} recorded events do not happen any more"));
        }
        let Some(Event::End(recorded)) = self.peek() else {
            self.cut = true;
            return;
        };
        match (recorded.clone(), ended) {
            (Ended::Interrupted, _) => self.cut = true,
            (Ended::Report(recorded), Ended::Report(replayed)) => {
                if recorded.get() != replayed.get() {
                    self.differ("the account of the run is another", &recorded, replayed);
                }
            }
            (Ended::Failed(recorded), Ended::Failed(replayed)) if recorded == *replayed => {}
            (recorded, replayed) => {
                self.depart_with(format!("it ends otherwise: {replayed:?}, not {recorded:?}"));
            }
        }
    }

    fn differ(&mut self, what: &str, recorded: &RawValue, replayed: &RawValue) {
        let (recorded, replayed) = (parsed(recorded.get()), parsed(replayed.get()));
        let departure = Departure::between(self.place(), what, &recorded, &replayed);
        self.depart(departure);
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn intents(commit: &RawValue) -> u64 {
    #[derive(serde::Deserialize)]
    struct Only<'a> {
        #[serde(default, borrow)]
        intents: Vec<&'a RawValue>,
    }
    serde_json::from_str::<Only<'_>>(commit.get()).map_or(0, |only| only.intents.len() as u64)
}
