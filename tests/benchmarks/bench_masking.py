"""How fast output is masked: `python tests/benchmarks/bench_masking.py`.

The secrets are those of a step: a password, a token, an AWS credentials file; each in its encodings. The floor is one
`str.replace` for each of them, which is less than masking has to do: it would tear secrets apart that overlap.
"""

import random
import statistics
import string

from measure import compare, report

from kubernaut_sdk.masking import MASK, Masker

SIZE = 4_000_000
SECRETS = (
    "correct horse battery staple",
    "eyJhbGciOiJSUzI1NiJ9.c29tZXRoaW5nLWxvbmc.c2lnbmF0dXJl",
    "[default]\naws_secret_access_key = abcd+EFGH/1234567890+abcdefghijklmnopqrst\n",
)


def log(secrets: tuple[str, ...]) -> str:
    """Lines as a tool writes them, one in a thousand with a secret."""
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
    masker, text = Masker(), log(SECRETS)
    for secret in SECRETS:
        masker.add(secret)
    variants = sorted(masker._variants, key=len, reverse=True)

    def replace() -> None:
        """The floor."""
        masked = text
        for variant in variants:
            masked = masked.replace(variant, MASK)

    times = compare(10, **{"masking": lambda: masker.text(text), f"str.replace, {len(variants)} times": replace})
    report(f"masking {len(text) / 1e6:.1f} MB", times, f"str.replace, {len(variants)} times", "at least 50 MB/s")
    print(f"  {len(text) / 1e6 / statistics.median(times['masking']):.0f} MB/s")
