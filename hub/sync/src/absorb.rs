//! One believed observation, field by field, into the canonical record
//! (design.md §5, "Absorb").
//!
//! With r the remote value, c the canonical one, b = `sent` and σ = `stored`,
//! all compared under the field's normaliser:
//!
//! 1. r = σ: nothing changed at the system (a touch, or our own echo).
//! 2. r = put(c): both agree.
//! 3. c = b: only the system changed.
//! 4. otherwise a conflict, which is always recorded.
//!
//! `absorb` changes the link and the entity that it is given and says in
//! [`Absorbed`] what else has to be written down.

use concord_core::record::RemoteRecord;
use concord_core::schema::{MergeRule, Shape};
use concord_core::state::{
    Cell, Conflict, ConflictKind, Entity, Hold, Link, LinkState, Origin, Waiting, Winner,
};
use concord_core::{FieldName, Timestamp, Value};

use crate::decide::{Interval, Verdict, decide};
use crate::lens::{Lens, LensFault};
use crate::observe::Read;
use crate::scene::{Held, Scene, is_absent};
use crate::{consent, members, normal};

/// What an observation did besides changing link and entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Absorbed {
    /// Canonical fields that changed: name, old value, new value.
    pub changes: Vec<(FieldName, Value, Value)>,
    /// Without ids; the engine numbers them.
    pub conflicts: Vec<Conflict>,
    pub holds: Vec<Hold>,
    pub waiting: Vec<Waiting>,
    /// Fields whose value cannot be understood, with the reason.
    pub unfit: Vec<(FieldName, String)>,
    /// The system and the canonical record differ now: emit has to look.
    pub debt: bool,
}

/// What one field looks like on both sides before anything is decided.
struct Sight<'a> {
    lens: &'a Lens,
    remote: Value,
    /// None at first contact.
    stored: Option<Value>,
    /// The lens was changed since the bases were made, and the system was not.
    relensed: bool,
}

/// Absorbs what an observation says of the fields that `skip` does not name.
pub fn absorb(
    link: &mut Link,
    entity: &mut Entity,
    record: &RemoteRecord,
    read: Read,
    skip: &dyn Fn(&Lens) -> bool,
    held: &Held,
    scene: &Scene<'_>,
) -> Absorbed {
    let mut result = Absorbed::default();
    let sights = look(link, entity, record, skip, scene, &mut result);
    let origin = Origin::Connection(scene.connection);
    let edited = Interval {
        after: link.read_at,
        until: record.modified_at.unwrap_or(read.started).max(link.read_at),
    };
    for sight in &sights {
        let mut field = Field {
            link,
            entity,
            scene,
            origin: &origin,
            edited,
            out: &mut result,
        };
        field.absorb(sight, record, held.holds(&sight.lens.field));
    }
    for lens in scene.mapping.lenses.iter().filter(|lens| !skip(lens)) {
        if result.unfit.iter().any(|(field, _)| *field == lens.field) {
            continue;
        }
        keep_raw(link, lens, record);
    }
    link.version.clone_from(&record.version);
    link.modified_at = record.modified_at;
    link.read_at = read.started;
    link.missing_since = None;
    link.again_at = None;
    link.state = LinkState::Live;
    if link.mapping != scene.mapping.hash {
        link.mapping.clone_from(&scene.mapping.hash);
    }
    result.debt = result.debt || !result.changes.is_empty();
    result
}

fn keep_raw(link: &mut Link, lens: &Lens, record: &RemoteRecord) {
    for name in lens.remote_fields() {
        if let Some(value) = record.fields.get(name)
            && link.raw.get(name) != Some(value)
        {
            link.raw.insert(name.clone(), value.clone());
        }
    }
}

/// Reads both sides of every field before any of them is changed, because a
/// lens may look at other canonical fields.
fn look<'a>(
    link: &Link,
    entity: &Entity,
    record: &RemoteRecord,
    skip: &dyn Fn(&Lens) -> bool,
    scene: &Scene<'a>,
    result: &mut Absorbed,
) -> Vec<Sight<'a>> {
    let mut sights = Vec::with_capacity(scene.mapping.lenses.len());
    for lens in &scene.mapping.lenses {
        if !lens.reads() || skip(lens) || !lens.is_present(&record.fields) {
            continue;
        }
        let known = link.sent.contains_key(lens.field.as_str())
            && !link.first_contact.contains(&lens.field);
        let untouched = known
            && lens
                .remote_fields()
                .iter()
                .all(|f| link.raw.get(f) == record.fields.get(f));
        let relensed = untouched && scene.lens_changed(&link.mapping, lens);
        if untouched && !relensed {
            continue;
        }
        let remote = match lens.get(&record.fields, entity, scene.refs) {
            Ok(value) => value,
            Err(fault) => {
                note_fault(link, lens, fault, result);
                continue;
            }
        };
        // What was stored and cannot be read any more counts as something else
        // than what is there now.
        let stored = known.then(|| {
            lens.get(&link.raw, entity, scene.refs)
                .unwrap_or(Value::Null)
        });
        sights.push(Sight {
            lens,
            remote,
            stored,
            relensed,
        });
    }
    sights
}

fn note_fault(link: &Link, lens: &Lens, fault: LensFault, result: &mut Absorbed) {
    match fault {
        LensFault::Waits { stream, id, .. } => result.waiting.push(Waiting {
            link: link.key.clone(),
            field: lens.field.clone(),
            wants_stream: stream,
            wants_id: id,
        }),
        other => result.unfit.push((lens.field.clone(), other.to_string())),
    }
}

struct Field<'a, 's> {
    link: &'a mut Link,
    entity: &'a mut Entity,
    scene: &'a Scene<'s>,
    origin: &'a Origin,
    edited: Interval,
    out: &'a mut Absorbed,
}

impl Field<'_, '_> {
    fn absorb(&mut self, sight: &Sight<'_>, record: &RemoteRecord, held: bool) {
        let lens = sight.lens;
        let name = lens.field.as_str();
        if sight.relensed {
            // Only the lens changed: emit sees the difference as a debt.
            self.sent(name, sight.remote.clone());
            self.out.debt = true;
            return;
        }
        if *self.merge_rule(lens) == MergeRule::Consent {
            self.consent(lens, &sight.remote);
            return;
        }
        if lens.spec.shape == Shape::Set {
            self.set(sight, held);
            return;
        }
        let Some(stored) = &sight.stored else {
            self.first_contact(lens, &sight.remote, record);
            return;
        };
        if normal::same(&lens.spec, &sight.remote, stored) {
            return;
        }
        let canonical = self.entity.value(name).clone();
        if self.agrees(lens, &canonical, &sight.remote, record) {
            self.sent(name, canonical);
            return;
        }
        let base = self.link.sent.get(name).cloned().unwrap_or(Value::Null);
        if !held && normal::same(&lens.spec, &canonical, &base) {
            self.take(lens, sight.remote.clone());
            self.sent(name, sight.remote.clone());
            return;
        }
        let verdict = if held {
            Verdict {
                winner: Winner::Held,
                rule: "the field is held already".into(),
            }
        } else {
            let rule = self.merge_rule(lens);
            decide(
                self.scene.rules,
                rule,
                self.entity.cells.get(name),
                self.origin,
                self.edited,
            )
        };
        self.conflict(
            lens,
            ConflictKind::Edit,
            base,
            canonical,
            &sight.remote,
            verdict,
        );
    }

    fn merge_rule<'r>(&'r self, lens: &'r Lens) -> &'r MergeRule {
        self.scene.rules.of(&self.scene.mapping.kind, &lens.spec)
    }

    /// r = put(c), the declared rewriting included.
    fn agrees(
        &self,
        lens: &Lens,
        canonical: &Value,
        remote: &Value,
        record: &RemoteRecord,
    ) -> bool {
        if normal::same(&lens.spec, canonical, remote) {
            return true;
        }
        if !lens.writes() {
            return false;
        }
        let mut predicted = record.fields.clone();
        if lens
            .put(canonical, &mut predicted, self.entity, self.scene.refs)
            .is_err()
        {
            return false;
        }
        lens.predict(&mut predicted);
        match lens.get(&predicted, self.entity, self.scene.refs) {
            Ok(value) => normal::same(&lens.spec, &value, remote),
            Err(_) => false,
        }
    }

    /// Records a conflict and does what the verdict says.
    fn conflict(
        &mut self,
        lens: &Lens,
        kind: ConflictKind,
        base: Value,
        canonical: Value,
        remote: &Value,
        verdict: Verdict,
    ) {
        let winner = verdict.winner;
        if winner == Winner::Held {
            self.hold(lens, verdict.rule.clone());
        }
        self.log(lens, kind, base, canonical, remote, verdict);
        if winner == Winner::Remote {
            self.take(lens, remote.clone());
        }
        // Also where the canonical value wins or waits: emit then sees the debt.
        self.sent(lens.field.as_str(), remote.clone());
        self.out.debt = true;
    }

    fn log(
        &mut self,
        lens: &Lens,
        kind: ConflictKind,
        base: Value,
        canonical: Value,
        remote: &Value,
        verdict: Verdict,
    ) {
        self.out.conflicts.push(Conflict {
            id: 0,
            kind,
            entity: self.entity.id.clone(),
            field: lens.field.clone(),
            link: self.link.key.clone(),
            base,
            canonical,
            remote: remote.clone(),
            rule: verdict.rule,
            winner: verdict.winner,
            at: self.scene.now,
            decision: None,
        });
    }

    /// The first look at a field of a link.  What only one side has is taken
    /// over; a difference waits for the connection's first plan, and after that
    /// is decided by an owner or for the canonical value.
    fn first_contact(&mut self, lens: &Lens, remote: &Value, record: &RemoteRecord) {
        let name = lens.field.as_str();
        self.link.first_contact.retain(|field| *field != lens.field);
        let canonical = self.entity.value(name).clone();
        if is_absent(&lens.spec, &canonical) {
            if !is_absent(&lens.spec, remote) {
                self.take(lens, remote.clone());
            }
            self.sent(name, remote.clone());
            return;
        }
        if self.agrees(lens, &canonical, remote, record) {
            self.sent(name, canonical);
            return;
        }
        self.out.debt = true;
        if is_absent(&lens.spec, remote) {
            self.sent(name, Value::Null);
        } else if self.scene.approved {
            let verdict = first_contact_verdict(self.scene, lens, self.entity, self.origin);
            self.conflict(
                lens,
                ConflictKind::FirstContact,
                Value::Null,
                canonical,
                remote,
                verdict,
            );
        } else {
            self.link.first_contact.push(lens.field.clone());
            self.sent(name, remote.clone());
        }
    }

    fn set(&mut self, sight: &Sight<'_>, held: bool) {
        let (spec, name) = (&sight.lens.spec, sight.lens.field.as_str());
        let from = sight.stored.as_ref().unwrap_or(&Value::Null);
        let delta = members::delta(spec, from, &sight.remote);
        let canonical = self.entity.value(name).clone();
        if !delta.is_empty() && !held {
            let merged = members::apply(spec, &canonical, &delta);
            if !normal::same(spec, &merged, &canonical) {
                self.take(sight.lens, merged);
            }
        }
        let sent = match (&sight.stored, held) {
            (None, _) => sight.remote.clone(),
            // While it is held the members that came are seen again afterwards,
            // because neither base moves.
            (Some(_), true) => return,
            (Some(_), false) => {
                let base = self.link.sent.get(name).cloned().unwrap_or(Value::Null);
                members::apply(spec, &base, &delta)
            }
        };
        if !normal::same(spec, &sent, self.entity.value(name)) {
            self.out.debt = true;
        }
        self.sent(name, sent);
    }

    fn consent(&mut self, lens: &Lens, remote: &Value) {
        let canonical = self.entity.value(lens.field.as_str()).clone();
        let standing = consent::stronger(&canonical, remote).clone();
        if !consent::agree(&standing, remote) {
            self.out.debt = true;
            if !remote.is_null() && self.link.sent.get(lens.field.as_str()) != Some(remote) {
                let base = self
                    .link
                    .sent
                    .get(lens.field.as_str())
                    .cloned()
                    .unwrap_or(Value::Null);
                let verdict = Verdict {
                    winner: Winner::Canonical,
                    rule: "consent: an opt-out stands".into(),
                };
                self.log(
                    lens,
                    ConflictKind::Edit,
                    base,
                    canonical.clone(),
                    remote,
                    verdict,
                );
            }
        }
        if standing != canonical {
            self.take(lens, standing);
        }
        self.sent(lens.field.as_str(), remote.clone());
    }

    fn sent(&mut self, name: &str, value: Value) {
        self.link.sent.insert(name.to_owned(), value);
    }

    fn hold(&mut self, lens: &Lens, reason: String) {
        self.out.holds.push(Hold {
            entity: self.entity.id.clone(),
            field: Some(lens.field.clone()),
            reason,
            at: self.scene.now,
        });
    }

    /// C := r, with its origin; too many changes in a row are a fight.
    fn take(&mut self, lens: &Lens, value: Value) {
        let changed = put_cell(
            self.entity,
            &lens.field,
            value.clone(),
            self.origin.clone(),
            self.edited,
            self.scene,
        );
        if changed.fight {
            let times = self.scene.rules.fight_limit;
            self.hold(
                lens,
                format!("changed more than {times} times in a row: two systems fight over it"),
            );
        }
        self.out
            .changes
            .push((lens.field.clone(), changed.old, value));
    }
}

pub(crate) struct Put {
    pub old: Value,
    pub fight: bool,
}

/// Writes a canonical value with its provenance and counts the change.
pub(crate) fn put_cell(
    entity: &mut Entity,
    field: &FieldName,
    value: Value,
    origin: Origin,
    edited: Interval,
    scene: &Scene<'_>,
) -> Put {
    let old = entity.cells.get(field);
    let window_open =
        old.is_some_and(|cell| scene.now.since(cell.fight_since) < scene.rules.fight_window);
    let (changes, fight_since) = match old {
        Some(cell) if window_open => (cell.changes + 1, cell.fight_since),
        _ => (0, scene.now),
    };
    let old = old.map_or(Value::Null, |cell| cell.value.clone());
    let Interval { after, until } = edited;
    let cell = Cell {
        value,
        origin,
        after,
        until,
        changes,
        fight_since,
    };
    entity.cells.insert(field.clone(), cell);
    Put {
        old,
        fight: changes > scene.rules.fight_limit,
    }
}

/// Who wins a difference at first contact once the plan is approved.
pub(crate) fn first_contact_verdict(
    scene: &Scene<'_>,
    lens: &Lens,
    entity: &Entity,
    origin: &Origin,
) -> Verdict {
    let canonical = || Verdict {
        winner: Winner::Canonical,
        rule: "first contact: the canonical value stands".into(),
    };
    match scene.rules.of(&scene.mapping.kind, &lens.spec) {
        rule @ MergeRule::Owner(owners) => {
            let cell = entity.cells.get(&lens.field);
            let known = cell.and_then(|cell| scene.rules.rank(owners, &cell.origin));
            if known.is_none() && scene.rules.rank(owners, origin).is_none() {
                return canonical();
            }
            let whenever = Interval {
                after: Timestamp::ZERO,
                until: Timestamp::ZERO,
            };
            decide(scene.rules, rule, cell, origin, whenever)
        }
        MergeRule::Hold => Verdict {
            winner: Winner::Held,
            rule: "first contact: hold".into(),
        },
        MergeRule::Latest | MergeRule::Consent => canonical(),
    }
}
