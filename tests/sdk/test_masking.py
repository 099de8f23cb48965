"""A secret shows nowhere, in none of the encodings it is likely to wear."""

import base64
import json
import shlex
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from kubernaut_sdk.masking import MASK, Masker

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=6, max_size=30).filter(
    lambda text: len(text.strip()) >= 6
)
AROUND = st.text(st.sampled_from("abc =:{}[]\"'\n"), max_size=20)


@given(SECRETS, AROUND, AROUND)
def test_every_encoding_is_masked(secret: str, before: str, after: str) -> None:
    masker = Masker()
    masker.add(secret)
    raw = secret.encode()
    forms = [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        shlex.quote(secret),
        raw.hex(),
    ]
    for form in forms:
        assert form.strip("'") not in masker.text(before + form + after).replace(MASK, "\x00")


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5), st.booleans())
def test_base64_is_masked_at_any_offset(secret: str, before: bytes, after: bytes, url: bool) -> None:
    masker = Masker()
    masker.add(secret)
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(before + secret.encode() + after).decode()
    masked = masker.text(text)

    assert MASK in masked
    # the characters at either end hold bits of the neighbours, and at most one byte of the secret between them
    kept = masked.split(MASK)
    assert len("".join(kept)) <= len(text) - (len(secret.encode()) * 8 // 6 - 1)


@given(
    SECRETS, st.recursive(st.none() | st.integers() | SECRETS, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
)
def test_json_values_are_masked_in_keys_and_values(secret: str, value: Any) -> None:
    masker = Masker()
    masker.add(secret)
    masked = masker.json({secret: [value, {"a": f"x{secret}x"}], "n": 1, "b": True, "z": None})

    assert secret not in json.dumps(masked, ensure_ascii=False).replace(MASK, "\x00")
    assert (masked["n"], masked["b"], masked["z"]) == (1, True, None)


def test_the_longer_secret_goes_first() -> None:
    masker = Masker()
    masker.add("hunter2")
    masker.add("hunter22-and-more")

    assert masker.text("is hunter22-and-more") == f"is {MASK}"


def test_what_overlaps_is_hidden_as_a_whole() -> None:
    masker = Masker()
    masker.add("abcd-efgh")
    masker.add("efgh-ijkl")
    masker.add("aaaa")

    assert masker.text("(abcd-efgh-ijkl) aaaaaa") == f"({MASK}) {MASK}"


@given(st.lists(SECRETS, min_size=1, max_size=4), st.lists(st.text(max_size=12), max_size=6), st.randoms())
def test_of_several_secrets_none_is_left_and_all_else_stays(secrets: list[str], around: list[str], order: Any) -> None:
    masker = Masker()
    for secret in secrets:
        masker.add(secret)
    pieces = [*secrets, *around]
    order.shuffle(pieces)
    text = "\n".join(pieces)
    masked = masker.text(text)

    assert all(secret not in masked for secret in secrets)
    kept = [piece for piece in around if not masker.hides(piece) and not any(set(piece) & set(one) for one in secrets)]
    assert all(piece in masked for piece in kept)


def test_what_is_no_secret_stays() -> None:
    masker = Masker()
    masker.add("abc")  # too short to be looked for
    assert masker.text("abcdef") == "abcdef"
    assert masker.json({"a": 1.5}) == {"a": 1.5}


def test_lines_of_a_key_are_masked_by_themselves() -> None:
    masker = Masker()
    masker.add("-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQ\nshort\n-----END KEY-----\n")

    assert masker.text("got AAAAB3NzaC1yc2EAAAADAQABAAABgQ!") == f"got {MASK}!"


def test_the_values_of_a_configuration_file_are_masked() -> None:
    masker = Masker()
    masker.add('[default]\nregion = eu-central-1\naws_secret_access_key = abcdEFGH1234\ntoken: "t0ken-value"\n')

    assert masker.text("eu-central-1 abcdEFGH1234 t0ken-value") == f"eu-central-1 {MASK} {MASK}"
