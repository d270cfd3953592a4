//! Tries the laws of every lens on a fixed set of values, so that a mapping
//! that loses or changes values is refused before it meets real ones.

mod samples;

use concord_core::{EntityId, Fields, RemoteId, Value};

use super::{Law, LawBroken, StreamMapping};
use crate::lens::{Lens, LensFault, References};
use crate::normal;

/// Checks the laws put-get, get-put and apart for every lens that goes both ways.
///
/// A lens may refuse a value with its reason (an enum that lacks a word): then
/// nothing is lost.  It may not refuse every value, nor take one and give back
/// another.
pub fn check(mapping: &StreamMapping) -> Result<(), LawBroken> {
    let canonical = samples::record(mapping);
    let mut full = Fields::new();
    for lens in mapping.lenses.iter().filter(|lens| lens.writes()) {
        let value = lens.wanted(&canonical).into_owned();
        // What a lens refuses here it is asked for again below.
        let _ = lens.put(&value, &mut full, &canonical, &Numbered);
    }
    for lens in &mapping.lenses {
        if lens.reads() && lens.writes() {
            let trial = Trial {
                mapping,
                lens,
                canonical: &canonical,
            };
            trial.run(&[Fields::new(), full.clone()])?;
        }
    }
    Ok(())
}

/// References for the trial: record 7 of any stream is the entity number 7.
struct Numbered;

impl References for Numbered {
    fn entity_of(&self, stream: &str, remote_id: &str) -> Option<EntityId> {
        let number = remote_id.parse().ok()?;
        Some(EntityId::new(stream, number))
    }

    fn remote_of(&self, _stream: &str, entity: &EntityId) -> Option<RemoteId> {
        Some(RemoteId::new(entity.number.to_string()))
    }
}

struct Trial<'a> {
    mapping: &'a StreamMapping,
    lens: &'a Lens,
    canonical: &'a Fields,
}

impl Trial<'_> {
    fn run(&self, starts: &[Fields]) -> Result<(), LawBroken> {
        let values = samples::of(self.lens);
        let mut refusal = None;
        let mut taken = false;
        for start in starts {
            for value in &values {
                match self.try_value(value, start)? {
                    Ok(()) => taken |= !value.is_null(),
                    Err(fault) => refusal = Some((value, fault)),
                }
            }
        }
        match refusal {
            Some((value, fault)) if !taken => Err(self.broken(
                Law::PutGet,
                value,
                format!("no value at all can be put: {fault}"),
            )),
            _ => Ok(()),
        }
    }

    /// The inner fault is an honest refusal of the value.
    fn try_value(&self, value: &Value, start: &Fields) -> Result<Result<(), LensFault>, LawBroken> {
        let lens = self.lens;
        let mut canonical = self.canonical.clone();
        canonical.insert(lens.field.to_string(), value.clone());
        let mut put = start.clone();
        if let Err(fault) = lens.put(value, &mut put, &canonical, &Numbered) {
            return Ok(Err(fault));
        }
        let mut stored = put.clone();
        lens.predict(&mut stored);
        let got = match lens.get(&stored, &canonical, &Numbered) {
            Ok(got) => got,
            Err(fault) => {
                let story = format!("after {value} was put, it cannot be read back: {fault}");
                return Err(self.broken(Law::PutGet, value, story));
            }
        };
        let expect = lens.rewritten(value);
        if stored == put && !normal::same(&lens.spec, &got, &expect) {
            let story = format!("{value} was put, and {got} is read back");
            return Err(self.broken(Law::PutGet, value, story));
        }
        self.get_put(value, &got, &stored, &canonical)?;
        self.apart(value, start, &put, &canonical)?;
        Ok(Ok(()))
    }

    /// Writing back what was read, rewritten by the system again, must store
    /// the same once more: otherwise every sync would write.
    fn get_put(
        &self,
        value: &Value,
        got: &Value,
        stored: &Fields,
        canonical: &Fields,
    ) -> Result<(), LawBroken> {
        let mut again = stored.clone();
        let mut canonical = canonical.clone();
        canonical.insert(self.lens.field.to_string(), got.clone());
        let put = self.lens.put(got, &mut again, &canonical, &Numbered);
        if put.is_ok() && again == *stored {
            return Ok(());
        }
        self.lens.predict(&mut again);
        if put.is_ok() && again == *stored {
            return Ok(());
        }
        let story = format!("{got} was read, and writing it back changes the record");
        Err(self.broken(Law::GetPut, value, story))
    }

    fn apart(
        &self,
        value: &Value,
        before: &Fields,
        after: &Fields,
        canonical: &Fields,
    ) -> Result<(), LawBroken> {
        for other in self.mapping.lenses.iter().filter(|lens| lens.reads()) {
            let hangs_on_it = other.field == self.lens.field
                || other.shares_place_with(self.lens)
                || !other.writes();
            if hangs_on_it || !other.is_present(before) {
                continue;
            }
            let read = |raw: &Fields| other.get(raw, canonical, &Numbered);
            if read(before) != read(after) {
                let story = format!("after {value} was put, '{}' reads otherwise", other.field);
                return Err(self.broken(Law::Apart, value, story));
            }
        }
        Ok(())
    }

    fn broken(&self, law: Law, value: &Value, story: String) -> LawBroken {
        LawBroken {
            stream: self.mapping.stream.to_string(),
            field: self.lens.field.to_string(),
            law,
            counter_example: value.clone(),
            story,
        }
    }
}
