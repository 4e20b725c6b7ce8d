"""Schedules on this machine: which instants they mean, what becomes of each, and backfills of the past."""
