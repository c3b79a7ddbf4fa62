"""Tokenizing a word at a time gives what the tokenizer gives for the whole, whatever the text and where it is cut."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from tasks.core.resolve import packaged_folder
from tasks.models.wordwise import Words, Wordwise, splits_at_spaces
from tasks.steps.encode import encoder_for, whole_rows

ODD = "aAbzZ09 .,'-\t\n\u00a0\u200b\u0301\u3000\u0000éÉßİΣςﬁ½日本語🙂#"
WORDS = ["the", "cat", "unaffable", "[SEP]", "[MASK]", "##ing", "won't", "", " ", "Ünïcödé", "x" * 120]
TEXT = st.one_of(
    st.text(),
    st.text(alphabet=ODD, max_size=40),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
)


def bert() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(packaged_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


WHOLE = bert()
WORDWISE = bert()
WORDWISE.no_truncation()


def byte_level() -> Tokenizer:
    """A tokenizer to which the space belongs."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(["<s>", *letters])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B:1", [("<s>", 0)])
    return tokenizer


def check(rows: Sequence[tuple[str, ...]], texts: int, max_length: int) -> None:
    WHOLE.enable_truncation(max_length)
    expected = WHOLE.encode_batch([row if texts == 2 else row[0] for row in rows])
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    ids, types, lengths, truncated = Wordwise(WORDWISE, texts, max_length).encode(columns)
    assert lengths.tolist() == [len(row.ids) for row in expected]
    assert ids.tolist() == [token for row in expected for token in row.ids]
    assert types.tolist() == [kind for row in expected for kind in row.type_ids]
    assert truncated == sum(1 for row in expected if row.overflowing)


@settings(max_examples=150)
@given(st.lists(st.tuples(TEXT), min_size=1, max_size=6), st.integers(8, 40))
def test_one_text(rows: list[tuple[str]], max_length: int) -> None:
    check(rows, 1, max_length)


@settings(max_examples=150)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.integers(8, 40))
def test_two_texts(rows: list[tuple[str, str]], max_length: int) -> None:
    check(rows, 2, max_length)


def test_what_is_forgotten_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.models.wordwise.REMEMBERED", 2)
    words = Words(WORDWISE)
    for text in ("one two three", "three four", "five one unaffable", "two"):
        tokens, lengths = words.tokenize(pa.array([text, text]))
        expected = WORDWISE.encode(text, add_special_tokens=False).ids
        assert tokens.tolist() == expected * 2
        assert lengths.tolist() == [len(expected)] * 2


def test_a_slice_of_a_column_is_what_is_tokenized() -> None:
    column = pa.array(["zero", "one two", "three", "four"]).slice(1, 2)
    ids, _, lengths, _ = Wordwise(WORDWISE, 1, 16).encode([column])
    assert WORDWISE.decode(ids.tolist()) == "one two three"
    assert lengths.tolist() == [4, 3]


def test_a_tokenizer_to_which_spaces_matter_is_asked_for_whole_rows() -> None:
    assert splits_at_spaces(bert())
    spaced = bert()
    spaced.add_tokens([AddedToken("new york")])
    assert not splits_at_spaces(spaced)
    assert not splits_at_spaces(byte_level())
    columns = [pa.array(["a b", "c"]), pa.array(["d  e", ""])]
    ids, types, lengths, truncated = encoder_for(byte_level(), 2, 7)(columns)
    reference = byte_level()
    reference.enable_truncation(7)
    expected = reference.encode_batch([("a b", "d  e"), ("c", "")])
    assert ids.tolist() == [token for row in expected for token in row.ids]
    assert types.tolist() == [kind for row in expected for kind in row.type_ids]
    assert (lengths.tolist(), truncated) == ([7, 3], 1)
    assert whole_rows(reference, columns)[0].tolist() == ids.tolist()
