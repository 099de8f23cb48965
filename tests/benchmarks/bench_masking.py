"""The speed of masking output: `python tests/benchmarks/bench_masking.py`.

The secrets are those of a step: a password, a token, an AWS credentials file; and then a file of 126 KiB beside them.
The floor is one `bytes.find` for each of three encodings of each part of the small ones, which is less than masking has
to do: it finds no escapes, no base64 at an offset, and nothing that is wrapped. With the large file it has no floor to
stand beside: the same number of searches would take a hundred times as long.
"""

import base64
import os
import random
import statistics
import string
import time

from measure import compare, report

from kubernaut_sdk.masking import Masker
from kubernaut_sdk.secrets.parts import parts_of

SIZE = 4_000_000
SECRETS = (
    "correct horse battery staple",
    "eyJhbGciOiJSUzI1NiJ9.c29tZXRoaW5nLWxvbmc.c2lnbmF0dXJl",
    "[default]\naws_secret_access_key = abcd+EFGH/1234567890+abcdefghijklmnopqrst\n",
)
LARGE = "\n".join(base64.b64encode(os.urandom(48)).decode() for _ in range(2000))


def log(secrets: tuple[str, ...]) -> str:
    """Return lines as a tool writes them, one in a thousand with a secret."""
    chance = random.Random(7)
    lines: list[str] = []
    while sum(map(len, lines)) < SIZE // 100:
        words = (
            "".join(chance.choices(string.ascii_letters + string.digits, k=chance.randint(2, 12))) for _ in range(12)
        )
        lines.append(f"level=info {' '.join(words)}\n")
    lines[len(lines) // 2] = f"password={secrets[0]}\n"
    return "".join(lines) * 100


if __name__ == "__main__":
    text = log(SECRETS)
    few, many = Masker(), Masker()
    for secret in SECRETS:
        few.add(secret)
        many.add(secret)
    started = time.perf_counter()
    many.add(LARGE)
    learnt = time.perf_counter() - started
    raw = {part.encode() for secret in SECRETS for part in parts_of(secret)}
    forms = {form for part in raw for form in (part, base64.b64encode(part)[:-4], part.hex().encode())}
    data = text.encode()

    def find() -> None:
        """Search for the parts with `bytes.find`, as the floor."""
        for form in forms:
            start = data.find(form)
            while start >= 0:
                start = data.find(form, start + 1)

    floor = f"bytes.find, {len(forms)} times"
    subjects = {
        "masking": lambda: few.text(text),
        "masking, and 126 KiB of secrets": lambda: many.text(text),
        floor: find,
    }
    times = compare(5, **subjects)
    report(
        f"masking {len(text) / 1e6:.1f} MB",
        times,
        floor,
        "at least 50 MB/s on a quiet machine, whatever the number of secrets",
    )
    for name in ("masking", "masking, and 126 KiB of secrets"):
        print(f"  {name}: {len(text) / 1e6 / statistics.median(times[name]):.0f} MB/s")
    print(f"  126 KiB of secrets learnt in {learnt:.2f} s (target: well under one second)")
