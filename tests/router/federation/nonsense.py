"""Frames between centres with any values that their types allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

M = TypeVar("M", bound=Message)
UNSIGNED = {FieldDescriptor.TYPE_UINT64: 2**64, FieldDescriptor.TYPE_UINT32: 2**32}
SMALL = (0, 1, 2, 100)


def frames(kind: type[M], words: Sequence[str]) -> st.SearchStrategy[M]:
    """Messages of that type; strings are from `words` most of the time."""
    return _values(kind.DESCRIPTOR, st.sampled_from(words) | st.text(max_size=8)).map(lambda given: kind(**given))


def _values(of: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {one.name: _value(one, texts) for one in of.fields if one.containing_oneof is None}
    plain: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=fields)
    choices = [st.fixed_dictionaries({one.name: _value(one, texts)}) for group in of.oneofs for one in group.fields]
    return st.one_of(*choices) if choices else plain


def _value(one: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    value = _single(one, texts)
    return st.lists(value, max_size=2) if one.is_repeated else value


def _single(one: FieldDescriptor, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if one.message_type is not None:
        return _values(one.message_type, texts)
    if one.type == FieldDescriptor.TYPE_STRING:
        return texts
    if one.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if one.type == FieldDescriptor.TYPE_ENUM:
        return st.integers(0, 40)
    most = UNSIGNED.get(one.type)
    low, high = (0, most - 1) if most else (-(2**31), 2**31 - 1)
    return st.sampled_from([*SMALL, low, high, high // 2, min(high, 2**53)]) | st.integers(low, high)
