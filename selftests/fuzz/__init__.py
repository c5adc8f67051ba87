"""A coverage-guided fuzzer over everything that reads bytes from outside, and what it found."""
