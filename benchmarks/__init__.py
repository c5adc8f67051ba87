"""Measures what a run costs beside what the network and the rules demand, and beside its peers."""
