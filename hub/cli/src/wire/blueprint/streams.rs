//! The streams of one connection: those that its lenses describe, as far as the
//! configuration wants them and the system has them.

use std::fmt::Display;

use concord_core::{Manifest, StreamName};
use concord_engine::config::{ConnectionConfig, Direction, StreamConfig};
use concord_engine::hub::Stream;
use concord_sync::mapping::{Mapping, StreamMapping, expected};
use concord_sync::schemas::Schemas;

use crate::wire::problem::Problems;

pub(super) struct Drawing<'a> {
    pub place: &'a str,
    pub config: &'a ConnectionConfig,
    pub manifest: &'a Manifest,
    pub schemas: &'a Schemas,
}

impl Drawing<'_> {
    /// The connector's lenses with the connection's own over them.
    pub fn mapping(&self, default: Option<&str>) -> Result<Mapping, String> {
        let words = |error: &dyn Display| error.to_string();
        let Some(default) = default else {
            return Err(format!(
                "the connector {} carries no lenses: build it again with its mapping",
                self.manifest.name
            ));
        };
        let mapping = Mapping::parse(default, self.schemas).map_err(|error| words(&error))?;
        match &self.config.mapping {
            Some(own) => mapping
                .overridden_by(&own.to_string(), self.schemas)
                .map_err(|error| words(&error)),
            None => Ok(mapping),
        }
    }

    /// All mapped streams, or those that the configuration names.
    pub fn streams(&self, mapping: &Mapping, problems: &mut Problems) -> Vec<Stream> {
        let mapped: Vec<&str> = mapping.streams.keys().map(StreamName::as_str).collect();
        for name in self
            .config
            .streams
            .keys()
            .filter(|name| !mapped.contains(&name.as_str()))
        {
            let hint = expected(name.as_str(), &mapped);
            problems.add(
                format!("{}.streams", self.place),
                format!("no stream '{name}'; {hint}"),
            );
        }
        let named = |name: &StreamName| {
            self.config.streams.is_empty() || self.config.streams.contains_key(name)
        };
        let chosen = mapping
            .streams
            .values()
            .filter(|stream| named(&stream.stream));
        chosen
            .filter_map(|stream| self.stream(stream, problems))
            .collect()
    }

    fn stream(&self, mapping: &StreamMapping, problems: &mut Problems) -> Option<Stream> {
        let name = &mapping.stream;
        let place = format!("{}.streams.{name}", self.place);
        let Some(caps) = self.manifest.stream(name.as_str()) else {
            let names: Vec<&str> = self
                .manifest
                .streams
                .iter()
                .map(|s| s.name.as_str())
                .collect();
            let hint = expected(name.as_str(), &names);
            problems.add(
                place,
                format!("{} has no such stream; {hint}", self.manifest.name),
            );
            return None;
        };
        let default = StreamConfig::default();
        let wish = self.config.streams.get(name).unwrap_or(&default);
        let schema = self.schemas.get(mapping.kind.as_str());
        let is_field = |name: &str| schema.is_some_and(|schema| schema.field(name).is_some());
        for (filter, writing, key) in [(&wish.read, false, "read"), (&wish.write, true, "write")] {
            if let Err(error) = filter.check(writing, &is_field) {
                problems.add(format!("{place}.{key}"), error);
            }
        }
        if wish.direction == Direction::Write && !caps.writes() {
            problems.add(
                &place,
                format!("{} can only be read there", self.manifest.name),
            );
        }
        if wish.direction.writes()
            && let Some(why) = caps.refused_two_way()
        {
            problems.add(&place, format!("{why}. Set 'direction: read'"));
        }
        Some(Stream::new(
            caps,
            mapping.clone(),
            wish.direction,
            wish.create,
            wish.read.clone(),
            wish.write.clone(),
        ))
    }
}
