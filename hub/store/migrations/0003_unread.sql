-- What a remote field was last seen to hold that could not be understood, so that
-- it is neither taken for unchanged nor written over.
ALTER TABLE links ADD COLUMN
    unread TEXT; -- document: remote field and value; nothing where all was read
