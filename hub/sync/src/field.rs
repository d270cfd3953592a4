//! What becomes of one field that is seen to differ from what was stored
//! (design.md §5, "Absorb": rules 1 to 4, sets, consent, first contact).

use concord_core::record::RemoteRecord;
use concord_core::schema::{FieldKind, MergeRule, Shape};
use concord_core::state::{
    Cell, Conflict, ConflictKind, Entity, Hold, Link, Origin, Provenance, Winner,
};
use concord_core::{FieldName, Timestamp, Value};

use crate::absorb::Absorbed;
use crate::decide::{Challenger, Interval, Verdict, decide, first_contact};
use crate::lens::Lens;
use crate::scene::{Rules, Scene, is_absent};
use crate::{consent, members, normal};

/// What one field looks like on both sides before anything is decided.
pub(crate) struct Sight<'a> {
    pub lens: &'a Lens,
    pub remote: Value,
    pub stored: Stored,
}

/// What the system held when it was last read.
pub(crate) enum Stored {
    /// First contact: nothing is known.
    Nothing,
    Value(Value),
    /// It cannot be read any more (a reference to a record that is gone), so
    /// what is there now is something else.
    Unreadable,
    /// The same as now; only the lens was changed since.
    Relensed,
}

/// The place where the fields of one observation are decided.
pub(crate) struct Field<'a, 's> {
    pub link: &'a mut Link,
    pub entity: &'a mut Entity,
    pub scene: &'a Scene<'s>,
    pub edited: Interval,
    /// A person is asked about this field already.
    pub held: bool,
    pub out: &'a mut Absorbed,
}

impl Field<'_, '_> {
    pub fn absorb(&mut self, sight: &Sight<'_>, record: &RemoteRecord) {
        let lens = sight.lens;
        let name = lens.field.as_str();
        // Of whatever rule or lens: no way around an opt-out.
        if lens.spec.kind == FieldKind::Consent {
            self.consent(sight);
            return;
        }
        if let Stored::Relensed = sight.stored {
            // The system did nothing: emit sees the difference as a debt.
            self.sent(name, sight.remote.clone());
            self.out.debt = true;
            return;
        }
        if lens.spec.shape == Shape::Set {
            self.set(sight);
            return;
        }
        match &sight.stored {
            Stored::Nothing => return self.first_contact(lens, &sight.remote, record),
            Stored::Value(stored) if normal::same(&lens.spec, &sight.remote, stored) => return,
            _ => {}
        }
        let canonical = self.entity.value(name).clone();
        if self.agrees(lens, &canonical, &sight.remote, record) {
            self.sent(name, canonical);
            return;
        }
        let base = self.base(name);
        if !self.held && normal::same(&lens.spec, &canonical, &base) {
            self.take(lens, sight.remote.clone());
            self.sent(name, sight.remote.clone());
            return;
        }
        let verdict = self.decide(lens, &sight.remote);
        self.conflict(lens, ConflictKind::Edit, base, &sight.remote, verdict);
    }

    fn base(&self, name: &str) -> Value {
        self.link.sent.get(name).cloned().unwrap_or(Value::Null)
    }

    fn origin(&self) -> Origin {
        Origin::Connection(self.scene.connection)
    }

    fn decide(&self, lens: &Lens, remote: &Value) -> Verdict {
        self.judge(lens, remote, decide)
    }

    /// What a way of deciding says of a value, unless a person is asked already.
    fn judge(
        &self,
        lens: &Lens,
        remote: &Value,
        way: fn(&Rules, &MergeRule, Option<&Cell>, Challenger<'_>) -> Verdict,
    ) -> Verdict {
        if self.held {
            return held_already();
        }
        let challenger = Challenger {
            origin: &self.origin(),
            edited: self.edited,
            value: remote,
            spec: &lens.spec,
        };
        let cell = self.entity.cells.get(&lens.field);
        way(
            self.scene.rules,
            self.scene.rule(&lens.spec),
            cell,
            challenger,
        )
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
        remote: &Value,
        verdict: Verdict,
    ) {
        let winner = verdict.winner;
        self.log(lens, kind, base, remote, verdict);
        if winner == Winner::Remote {
            self.take(lens, remote.clone());
        }
        // Also where the canonical value wins or waits: emit then sees the debt.
        self.sent(lens.field.as_str(), remote.clone());
        self.out.debt = true;
    }

    /// A value that a person put there while a write of ours was in doubt, and
    /// that the system holds no longer: its rule decides, as it does for an edit.
    pub fn overwritten(&mut self, lens: &Lens, base: Value, seen: Value) {
        let mut verdict = self.decide(lens, &seen);
        verdict.rule.push_str("; found while a write was in doubt");
        let winner = verdict.winner;
        self.log(lens, ConflictKind::Edit, base, &seen, verdict);
        if winner == Winner::Remote {
            self.take(lens, seen);
        }
        self.out.debt = true;
    }

    /// A value that was read while a write was in doubt, and that nobody can tell
    /// from the system's rewriting of our own: it is written down before it goes.
    pub fn lost(&mut self, lens: &Lens, base: Value, seen: &Value) {
        let verdict = Verdict {
            winner: Winner::Canonical,
            rule: "seen while a write was in doubt, and gone since".into(),
        };
        self.log(lens, ConflictKind::Lost, base, seen, verdict);
    }

    /// Writes a conflict down, and the hold that comes with one that nobody
    /// could decide.  A field that is held keeps the reason it was held for.
    fn log(&mut self, lens: &Lens, kind: ConflictKind, base: Value, remote: &Value, v: Verdict) {
        if v.winner == Winner::Held && !self.held {
            self.hold(lens, v.rule.clone());
        }
        self.out.conflicts.push(Conflict {
            id: 0,
            kind,
            entity: self.entity.id.clone(),
            field: lens.field.clone(),
            link: self.link.key.clone(),
            base,
            canonical: self.entity.value(lens.field.as_str()).clone(),
            remote: remote.clone(),
            rule: v.rule,
            winner: v.winner,
            at: self.scene.now,
            decision: None,
            provenance: provenance(self.entity.cells.get(&lens.field), self.edited),
        });
    }

    /// The first look at a field of a link.  What only one side has is taken
    /// over; a difference waits for the connection's first plan, and after that
    /// is decided by an owner or for the canonical value.
    fn first_contact(&mut self, lens: &Lens, remote: &Value, record: &RemoteRecord) {
        let name = lens.field.as_str();
        self.link.first_contact.retain(|field| *field != lens.field);
        // Nobody saw it before: it may have been there for long.
        self.edited.after = Timestamp::ZERO;
        let canonical = self.entity.value(name).clone();
        if is_absent(&lens.spec, &canonical) && !self.held {
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
            let verdict = self.judge(lens, remote, first_contact);
            self.conflict(
                lens,
                ConflictKind::FirstContact,
                Value::Null,
                remote,
                verdict,
            );
        } else {
            self.link.first_contact.push(lens.field.clone());
            self.sent(name, remote.clone());
        }
    }

    /// Members that came and went are applied to the canonical set.  That never
    /// overwrites anything, so it also goes on while the field is held.
    fn set(&mut self, sight: &Sight<'_>) {
        let (spec, name) = (&sight.lens.spec, sight.lens.field.as_str());
        let (from, base) = match &sight.stored {
            Stored::Value(stored) => (stored.clone(), self.base(name)),
            Stored::Unreadable => (Value::Null, self.base(name)),
            Stored::Nothing | Stored::Relensed => {
                self.edited.after = Timestamp::ZERO;
                (Value::Null, Value::Null)
            }
        };
        let delta = members::delta(spec, &from, &sight.remote);
        let canonical = self.entity.value(name).clone();
        let merged = members::apply(spec, &canonical, &delta);
        if !normal::same(spec, &merged, &canonical) {
            self.take(sight.lens, merged);
        }
        let sent = members::apply(spec, &base, &delta);
        if !normal::same(spec, &sent, self.entity.value(name)) {
            self.out.debt = true;
        }
        self.sent(name, sent);
    }

    /// Whatever the rules and holds say: the stronger consent stands.
    fn consent(&mut self, sight: &Sight<'_>) {
        let (lens, remote) = (sight.lens, &sight.remote);
        let name = lens.field.as_str();
        let canonical = self.entity.value(name).clone();
        let standing = consent::stronger(&canonical, remote).clone();
        let base = match sight.stored {
            Stored::Nothing => Value::Null,
            _ => self.base(name),
        };
        if !consent::agree(&standing, remote) {
            self.out.debt = true;
        }
        // The weaker of two statements is on record, whichever side made it.
        let both = !canonical.is_null() && !remote.is_null();
        let came = !consent::agree(remote, &base) || self.link.sent.get(name) != Some(remote);
        let refused = !consent::agree(&standing, remote) && came;
        let overruled =
            !consent::agree(&standing, &canonical) && !consent::agree(&canonical, &base);
        if both && (refused || overruled) {
            let verdict = Verdict {
                winner: if refused {
                    Winner::Canonical
                } else {
                    Winner::Remote
                },
                rule: "consent: an opt-out wins over every older or undated opt-in".into(),
            };
            let kind = match sight.stored {
                Stored::Nothing => ConflictKind::FirstContact,
                _ => ConflictKind::Edit,
            };
            self.log(lens, kind, base, remote, verdict);
        }
        if standing != canonical {
            self.take(lens, standing);
        }
        self.sent(name, remote.clone());
    }

    /// The answer to a write of ours says that somebody opted out meanwhile.
    pub fn consent_answered(&mut self, lens: &Lens, stored: Value) {
        let canonical = self.entity.value(lens.field.as_str());
        let standing = consent::stronger(canonical, &stored);
        if !consent::agree(standing, canonical) {
            self.take(lens, stored.clone());
            self.sent(lens.field.as_str(), stored);
        }
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

    /// C := r, with its origin; too many changes within a while are a fight.
    pub fn take(&mut self, lens: &Lens, value: Value) {
        let put = put_cell(
            self.entity,
            &lens.field,
            value.clone(),
            self.origin(),
            self.edited,
            self.scene,
        );
        if put.fight && !self.held {
            let times = self.scene.rules.fight_limit;
            self.hold(
                lens,
                format!("changed more than {times} times in a row: two systems fight over it"),
            );
        }
        self.out.changes.push((lens.field.clone(), put.old, value));
        self.out.debt = true;
    }
}

/// Of a field that a person is asked about.
pub(crate) const HELD_ALREADY: &str = "the field is held already";

fn held_already() -> Verdict {
    Verdict {
        winner: Winner::Held,
        rule: HELD_ALREADY.into(),
    }
}

/// Where the two values of a conflict come from; nothing where nobody put the
/// canonical one there.
pub(crate) fn provenance(cell: Option<&Cell>, edited: Interval) -> Option<Provenance> {
    let cell = cell?;
    Some(Provenance {
        origin: cell.origin.clone(),
        after: cell.after,
        until: cell.until,
        edited_after: edited.after,
        edited_until: edited.until,
    })
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
