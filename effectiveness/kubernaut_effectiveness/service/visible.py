"""Text of records, made visible: it may be hostile."""

import json
import re

from markupsafe import Markup, escape

__all__ = ["breakable", "visible"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
"""Characters that are not seen or turn the direction of text; the template escapes what is markup."""


def visible(value: object, most: int = 2_000) -> str:
    r"""Return a text with what cannot be seen spelled out, such as `\u202e`, and cut visibly."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if len(text) > most:
        text = f"{text[:most]}… ({len(text):,} characters)"
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def breakable(text: str) -> Markup:
    """Return a name as HTML in which lines break after `/`, `_`, `:` and `@`, rather than within a word."""
    return Markup(re.sub("([/_:@])", r"\1<wbr>", str(escape(text))))  # noqa: S704 – escaped
