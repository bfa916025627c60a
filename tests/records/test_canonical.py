import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import FormatError
from reticent.records.canonical import MAX_DEPTH, canonical, digest, parse_canonical

LIMIT = 1 << 20

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_the_example_of_rfc_8785_comes_out_as_printed_there():
    # RFC 8785, section 3.2.2 and 3.2.3
    given_text = (
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    )
    printed = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical(json.loads(given_text)) == printed.encode()


def test_the_digest_is_sha256_in_hexadecimal():
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


@given(values)
def test_what_is_written_reads_back_as_itself(value):
    data = canonical(value)
    again = parse_canonical(data, limit_bytes=LIMIT)
    assert again == value
    assert canonical(again) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "{}\n",
        " {}",
        '{"a": 1}',
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a":1,"a":2}',
        "[1.0]",
        "[1e0]",
        "[1E2]",
        "[-0]",
        "[0.10]",
        "[01]",
        "[+1]",
        "[.5]",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[1e999]",
        '["\\u0061"]',
        '["\\/"]',
        '["\\ud800"]',
        "['a']",
        "[1,]",
        "// comment\n{}",
        '{"a":1}{"a":1}',
        "\ufeff{}",
    ],
)
def test_any_other_encoding_is_refused(text):
    with pytest.raises(FormatError, match="nothing was read"):
        parse_canonical(text.encode("utf-8"), limit_bytes=LIMIT)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_only_utf8_is_read(codec):
    with pytest.raises(FormatError):
        parse_canonical('{"ä":1}'.encode(codec), limit_bytes=LIMIT)


def test_the_size_is_looked_at_before_anything_is_parsed():
    with pytest.raises(FormatError, match="at most 10 are read"):
        parse_canonical(b"[" * 11, limit_bytes=10)
    assert parse_canonical(b'"12345678"', limit_bytes=10) == "12345678"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting_is_refused_whatever_the_stack(depth, opening, closing):
    with pytest.raises(FormatError, match="nests deeper"):
        parse_canonical(opening * depth + b"1" + closing * depth, limit_bytes=10**7)


def test_nesting_up_to_the_limit_is_read():
    assert parse_canonical(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, limit_bytes=LIMIT)


@pytest.mark.parametrize("number", ["9" * 33, "9" * 5000, "0." + "1" * 40, "1" + "0" * 400])
def test_a_number_of_unreasonable_length_is_refused(number):
    with pytest.raises(FormatError):
        parse_canonical(f"[{number}]".encode(), limit_bytes=LIMIT)


def test_an_integer_that_floats_can_not_hold_is_refused():
    assert parse_canonical(b"[9007199254740991]", limit_bytes=LIMIT) == [2**53 - 1]
    assert isinstance(parse_canonical(b"[100000000000000000000]", limit_bytes=LIMIT)[0], float)
    with pytest.raises(FormatError):
        parse_canonical(b"[9007199254740993]", limit_bytes=LIMIT)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, "\ud800", {1: 2}, {"a": b""}, [object()]])
def test_what_has_no_canonical_form_is_not_written(value):
    with pytest.raises(FormatError, match="nothing was written"):
        canonical(value)


def test_a_value_too_deep_to_be_read_is_not_written():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(FormatError, match="nests deeper"):
        canonical(value)
    while value:  # or its destruction would exhaust the stack
        value = value.pop()


@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_refused_or_are_canonical(data):
    try:
        value = parse_canonical(data, limit_bytes=LIMIT)
    except FormatError:
        return
    assert canonical(value) == data
