"""Tenuto: a durable workflow orchestrator. The public door: everything users import stands here."""

__version__ = "0.1.0"
