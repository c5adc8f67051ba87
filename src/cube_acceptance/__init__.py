"""Proves that a network gives a HOMAG CUBE what its documented prerequisites ask for."""

__version__ = "0.2.0.dev0"
