"""Rehearsals: the engine's own decisions over outcomes that somebody made up, in virtual time and without a store."""
