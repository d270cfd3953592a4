-- Who put the two values of a conflict where they are, and when, so that other
-- rules can be tried on the log.
ALTER TABLE conflicts ADD COLUMN
    provenance TEXT; -- document: origin and times of both values; none in older rows
