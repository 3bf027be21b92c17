"""Numbers and truth values as JSON has them: pydantic also takes `"3"` and `true` for numbers, and `"yes"` for true."""

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise PydanticCustomError("number_type", "Input should be a valid number")
    return value


def _truth(value: object) -> object:
    if not isinstance(value, bool):
        raise PydanticCustomError("bool_type", "Input should be true or false")
    return value


NUMBER, TRUTH = BeforeValidator(_number), BeforeValidator(_truth)
