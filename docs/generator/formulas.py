"""Formulas of the site as MathML, made while it is built: no script, no web font."""

import html
import re

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def with_mathml(page: str) -> str:
    """The page with every formula that pymdownx.arithmatex marked, `\\(…\\)` or `\\[…\\]`, as MathML."""

    def replace(match: re.Match[str]) -> str:
        tag, marked = match.groups()
        latex = html.unescape(marked).strip()[2:-2].strip()
        formula = convert(latex, display="block" if tag == "div" else "inline")
        return f'<{tag} class="formula">{formula}</{tag}>'

    return FORMULA.sub(replace, page)
