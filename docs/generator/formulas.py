"""Formulas of the site as MathML, made while it is built, with a font that knows mathematics: no script."""

import html
import re
from pathlib import Path

import ziamath
from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)

FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"
"""Browsers place scripts and stretch brackets by a table that text fonts don't have."""
UNKNOWN = re.compile(r"\\[a-zA-Z]+")


def with_mathml(page: str) -> str:
    """The page with every formula that pymdownx.arithmatex marked as MathML.

    Raises:
        ValueError: a formula has a command that the converter does not know.
    """

    def replace(match: re.Match[str]) -> str:
        tag, marked = match.groups()
        latex = html.unescape(marked).strip()[2:-2].strip()
        formula = convert(latex.replace(r"\arg\max", r"\text{arg max}"), display="block" if tag == "div" else "inline")
        if unknown := UNKNOWN.search(formula):
            raise ValueError(f"formula {latex}: {unknown[0]} is not known")
        # between a set's elements and their condition
        formula = formula.replace("<mi>:</mi>", '<mo lspace="0.25em" rspace="0.25em">:</mo>')
        return f'<{tag} class="formula">{formula}</{tag}>'

    return FORMULA.sub(replace, page)
