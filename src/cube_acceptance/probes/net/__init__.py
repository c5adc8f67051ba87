"""What the probes share: sockets bound to the vantage, time limits, and readers of a protocol."""
