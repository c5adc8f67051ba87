"""``python -m cube_acceptance``: the console command, where scripts are not on the path."""

from __future__ import annotations

from cube_acceptance.commands import main

if __name__ == "__main__":
    raise SystemExit(main())
