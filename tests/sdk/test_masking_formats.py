"""The hidden parts of a secret: its lines and the values within formats, in every form in which tools print them."""

import base64
import hashlib
import json
import re
import shlex
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubernaut_sdk.masking import MASK, Masker
from kubernaut_sdk.secrets.files import PUBLIC_FILES, learn_files

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASC1\n-----END PRIVATE KEY-----\n"
FORMATS = {
    "basic auth": ("shop:pw-Basic1\n", ["pw-Basic1"]),
    "block scalar": ("db:\n  key: |\n    Line-one-9x\n    and two x\n  b: 1\n", ["Line-one-9x", "and two x"]),
    "connection string": ("host=db;user=app;password=Secr3t!;encrypt=true", ["Secr3t!"]),
    "database url": ("DATABASE_URL=postgres://app:dbP4ss@db.example/shop\n", ["dbP4ss"]),
    "database url, quoted": ("postgres://app:p%40ss%2F1@db/shop", ["p%40ss%2F1", "p@ss/1"]),
    "docker config": (
        json.dumps({"auths": {"r.example": {"auth": base64.b64encode(b"bot:reg-Pw1").decode()}}}),
        ["reg-Pw1"],
    ),
    "dotenv": ('export A=\'tok en-12\'\nexport B_TOKEN="x\\"yz"\n', ["tok en-12", 'x"yz']),
    "git credentials": ("https://bot:p%40ss-Word9@git.example.com\n", ["p%40ss-Word9", "p@ss-Word9"]),
    "header": ("Authorization: Bearer abc.def-1", ["abc.def-1"]),
    "ini": ("[default]\nregion = eu-central-1\naws_secret_access_key = ab+/EFGH1234\n", ["ab+/EFGH1234"]),
    "kubeconfig": (
        f"users:\n- name: a\n  user:\n    client-key-data: {base64.b64encode(PEM.encode()).decode()}\n",
        ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASC1"],
    ),
    "libpq": ("host=db user=app password='a b c1' dbname=x", ["a b c1"]),
    "netrc": ("machine git.example.com login shop password pw-Netrc1\n", ["pw-Netrc1"]),
    "netrc, of lines": ("machine git.example.com\n  login shop\n  password pw-Netrc1\n", ["pw-Netrc1"]),
    "pem": (PEM, ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASC1", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC1"]),
    "pgpass": ("db.example:5432:shop:app:pg\\:Pass1\n", ["pg\\:Pass1", "pg:Pass1"]),
    "second of a line": ("user=a password=first11 token=second22\n", ["first11", "second22"]),
    "service account": (
        json.dumps({"type": "service_account", "project_id": "shop-prod", "private_key": PEM}, indent=1),
        ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASC1"],
    ),
    "short lines": ("abcdefg1\nhijklmn2\nopq3rst\n", ["abcdefg1", "hijklmn2", "opq3rst"]),
    "xml": ("<settings><server><password>mvn-Pw1</password></server></settings>", ["mvn-Pw1"]),
    "yaml": ("a: 1\npassword: correct horse\nlist:\n  - token: 'it''s one'\n", ["correct horse", "it's one"]),
}


def masking(*secrets: str | bytes) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.add(secret)
    return masker


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_secrets_within_a_file_are_hidden_and_the_rest_is_not(name: str) -> None:
    secret, parts = FORMATS[name]
    masker = masking(secret)

    assert masker.text(secret) == MASK
    assert [masker.text(f"it said {part}!") for part in parts] == [f"it said {MASK}!"] * len(parts)
    plain = "db.example git.example.com eu-central-1 service_account shop-prod 5432 true shop"
    assert masker.text(plain) == plain


def _common(text: str) -> bool:
    """Keep hypothesis from words of our sources that are common in configurations, of which no line is hidden."""
    return text.casefold() in {"disabled", "localhost", "readonly", "required", "undefined"}


def _is_structure(line: str) -> bool:
    """Return True for a line that hides nothing by itself.

    That is `database:` or `port=5432`, of which the value alone decides, and what only separates, such as `=====`.
    """
    key, sign, _ = line.lstrip("- ").replace("=", ":", 1).partition(":")
    setting = bool(sign) and re.fullmatch(r"[\w.\-\s\"']*", key) is not None
    return setting or (len(set(line)) <= 3 and re.fullmatch(r"[\W_]*", line) is not None)


SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=8, max_size=40)
SECRETS = SECRETS.map(str.strip).filter(lambda text: len(text) >= 8 and not _common(text))
FILES: dict[str, Callable[[str], str]] = {
    "alone": lambda value: value,
    "a line": lambda value: f"first-line-0\n{value}\nlast-line-1\n",
    "json": lambda value: json.dumps({"db": {"password": value}, "n": 1}),
    "json lines": lambda value: json.dumps({"db": {"password": value}, "n": 1}, indent=2, ensure_ascii=False),
    "dotenv": lambda value: f'A=1\nPASSWORD="{value}"\n',
}


def _go(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    for sign in "<>&":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written[1:-1]


def _wrapped(columns: int, offset: int, indentation: str = "") -> Callable[[str], str]:
    def shape(text: str) -> str:
        encoded = base64.b64encode(b"x" * offset + text.encode() * 3).decode()
        return f"\n{indentation}".join(encoded[at : at + columns] for at in range(0, len(encoded), columns))

    return shape


SHAPES: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "json of python": lambda text: json.dumps(text)[1:-1],
    "json of go": _go,
    "json of .net": lambda text: "".join(
        f"\\u{ord(sign):04X}" if sign in "+<>&'`\"" else json.dumps(sign)[1:-1] for sign in text
    ),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "url, all": lambda text: quote(text, safe=""),
    "url, lower case": lambda text: "".join(
        f"%{byte:02x}" if byte > 0x7F or not chr(byte).isalnum() else chr(byte) for byte in text.encode()
    ),
    "url, form": quote_plus,
    "shell": shlex.quote,
    "shell, backslashes": lambda text: "".join(
        sign if sign.isalnum() or ord(sign) > 0x7F else f"\\{sign}" for sign in text
    ),
    "python": repr,
    "python bytes": lambda text: repr(text.encode()),
    "octal": lambda text: "".join(
        f"\\{byte:03o}" if byte > 0x7E or byte in b'"\\' else chr(byte) for byte in text.encode()
    ),
    "yaml, single quotes": lambda text: "'" + text.replace("'", "''") + "'",
    "xml": lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#34;").replace("'", "&#x27;"),
    "hex": lambda text: text.encode().hex(),
    "hex, upper case": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 of json": lambda text: base64.b64encode(json.dumps({"password": text}).encode()).decode(),
    "base64, 64 columns": _wrapped(64, 50),
    "base64, 76 columns": _wrapped(76, 71),
    "base64, indented": _wrapped(64, 49, "    "),
    "base64 in json": lambda text: json.dumps(base64.encodebytes(b"x" * 52 + text.encode() * 3).decode()),
}


@settings(max_examples=250)
@given(SECRETS, st.sampled_from(sorted(FILES)), st.sampled_from(sorted(SHAPES)))
def test_a_secret_of_any_file_is_hidden_in_any_shape(secret: str, file: str, shape: str) -> None:
    if file == "dotenv" and any(sign in secret for sign in "\"\\'"):
        return
    if file == "a line" and _is_structure(secret):
        return
    shown = SHAPES[shape](secret)
    masked = masking(FILES[file](secret)).text(f"before ({shown}) after")
    left = masked.removeprefix("before (").removesuffix(") after")

    assert MASK in left
    # what stays are quotes, the part of a document around it, and base64 characters that hold bits of neighbours, too
    frame = SHAPES[shape]("")
    most = len(frame) + (8 if "base64" not in shape else 2 * (50 + 71) + 16)
    assert len(left.replace(MASK, "")) <= most, left
    assert secret not in left


def test_a_line_of_signs_is_a_secret_and_a_line_that_separates_is_none() -> None:
    masker = masking("user\n!@#$%^&*()\n==========\n|----|:---|\n")

    assert masker.text("(!@#$%^&*()) ========== |----|:---|") == f"({MASK}) ========== |----|:---|"


@settings(max_examples=60)
@given(st.binary(min_size=8, max_size=60), st.sampled_from(["base64", "hex", "replaced", "latin-1", "escaped"]))
def test_binary_secrets_count(secret: bytes, shape: str) -> None:
    secret = b"\xff\x00\xfe" + secret
    shown = {
        "base64": base64.b64encode(secret).decode(),
        "hex": secret.hex(),
        "replaced": secret.decode("utf-8", "replace"),
        "latin-1": secret.decode("latin-1"),
        "escaped": secret.decode("utf-8", "surrogateescape"),
    }[shape]
    masked = masking(secret).text(f"a {shown} z")

    assert masked in {f"a {MASK} z", f"a {MASK}= z", f"a {MASK}== z"}


def test_no_character_is_cut() -> None:
    assert masking(b"\xa9abcdefgh-1\xc3").text("say éabcdefgh-1é!") == f"say {MASK}!"


def test_a_part_of_a_key_is_hidden_where_it_was_cut() -> None:
    key = "".join(base64.b64encode(bytes([n, 255 - n, n ^ 90])).decode() for n in range(100))
    masker = masking(key)

    assert masker.text(f"starts with {key[:60]}…") == f"starts with {MASK}…"
    assert masker.text(f"and …{key[133:200]} within") == f"and …{MASK} within"


def test_what_is_common_is_not_looked_for() -> None:
    masker = masking("true", "null", "1", "5432", "abc", "user=admin\nenabled=true\nmode=required\n")
    text = "true null 1 5432 abc admin required: nothing of it is a secret"

    assert masker.text(text) == text


def test_passwords_in_addresses_are_hidden_known_or_not() -> None:
    masker = Masker()

    assert masker.text("cloning https://me:pw@host/a failed") == f"cloning https://{MASK}@host/a failed"
    assert masker.text("at postgres://app:pw@db/x") == f"at postgres://app:{MASK}@db/x"
    plain = "ssh://git@host/a, git@host:a, https://host/a@b, mail to a@b.example"
    assert masker.text(plain) == plain


def test_files_that_are_no_secret_by_convention_are_not_hidden(tmp_path: Path) -> None:
    for name in [*PUBLIC_FILES, "password", "..data"]:
        (tmp_path / name).write_text(f"the-content-of-{name}")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x01binary-Key")
    masker = Masker()
    learn_files(tmp_path, masker)

    hidden = [path.name for path in sorted(tmp_path.iterdir()) if masker.hides(f"the-content-of-{path.name}")]
    assert hidden == ["password"]
    assert masker.hides(b"binary-Key".hex()) is False
    assert masker.hides(b"\xff\xfe\x01binary-Key".hex())


@pytest.mark.parametrize("kind", ["random", "alike", "one long line", "short", "pairs", "separators"])
def test_a_large_secret_is_learnt_and_found_in_time(kind: str) -> None:
    lines = [base64.b64encode(number.to_bytes(48, "big")[::-1] * 1).decode() for number in range(3**9, 3**9 + 2000)]
    text = {
        "random": "\n".join(base64.b64encode(bytes((n * k) % 251 for k in range(1, 49))).decode() for n in range(2000)),
        "alike": "\n".join(f"password-of-the-host-number-{n:05d}-is-the-same" for n in range(3000)),
        "one long line": "".join(lines),
        "short": "\n".join(f"w{n:05d}" for n in range(10_000)),
        "pairs": "\n".join(f"password_{n} = 'value-{n:06d}'" for n in range(3000)),
        "separators": "a=" * 60_000,
    }[kind]
    log = ("level=info nothing to see here, move on\n" * 50 + "value-000007 w00007\n") * 50
    started = time.process_time()
    masker = masking(text, "a-second-file-of-it")
    learnt = time.process_time() - started
    started = time.process_time()
    masked = masker.text(log + text)
    found = time.process_time() - started

    assert max(learnt, found) < 3  # 0.2 s where nobody else is at work
    assert text[len(text) // 2 :][:24] not in masked
    assert masker.text("move on") == "move on"


def test_a_large_secret_takes_little_memory() -> None:
    keys = [hashlib.sha384(bytes([n % 256, n // 256])).digest() for n in range(2000)]
    text = "\n".join(base64.b64encode(key).decode() for key in keys)
    tracemalloc.start()
    masker = masking(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert masker.hides(text[1000:1100])
    assert peak < 80_000_000
