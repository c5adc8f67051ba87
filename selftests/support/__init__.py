"""What the suite's own tests are made with: evidence, conditions, sessions, fakes."""
