"""Everything that is said: text from outside made fit to be shown, and our own words."""
