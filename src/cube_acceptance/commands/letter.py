"""The command ``cube-acceptance letter``: the request to the administrator before the visit."""

from __future__ import annotations

from pathlib import Path

from cube_acceptance import catalogue as catalogues
from cube_acceptance.certificate import letter
from cube_acceptance.site import SiteError, load_site
from cube_acceptance.summary.command import write
from cube_acceptance.text import usage
from cube_acceptance.text.foreign import plain
from cube_acceptance.text.options import Options


def main(arguments: list[str]) -> int:
    """Run ``cube-acceptance letter --site FILE``."""
    parser = Options(
        arguments,
        prog="cube-acceptance letter",
        description="Write what a CUBE needs of a network, for who administers it. Sends nothing.",
        epilog="Exit status: 0 it is written; 4 usage.",
        lang="language (default: the site file's)",
    )
    parser.add_argument("--site", type=Path, metavar="FILE", required=True, help="the site file")
    parser.add_argument(
        "--format", choices=list(letter.WRITERS), default="html", help="default: html"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there, not to stdout")
    options = parser.parse_args(arguments)
    try:
        site = load_site(options.site).site
    except SiteError as error:
        parser.error(plain(usage.site_error(error, parser.language)))
    asked = letter.before(catalogues.load(), site, options.lang or site.language)
    try:
        write([letter.WRITERS[options.format](asked)], options.output)
    except OSError as error:
        parser.error(f"{plain(options.output)}: {error.strerror}")
    return 0
