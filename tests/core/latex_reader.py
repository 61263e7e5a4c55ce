r"""A strict reader of the LaTeX that the leaderboard writes: it refuses whatever pdflatex with booktabs would stumble over."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_WORDS = {
    *(r"\begin", r"\end", r"\centering", r"\caption", r"\label", r"\toprule", r"\midrule", r"\bottomrule"),
    *(r"\footnotesize", r"\par", r"\textbf", r"\underline", r"\emph", r"\textsuperscript", r"\pm", r"\times"),
    *(r"\textbackslash", r"\textasciicircum", r"\textasciitilde", r"\textless", r"\textgreater", r"\textbar"),
    *(r"\textasciigrave", r"\ldots", r"\textdagger"),
    *("\\\\", r"\{", r"\}", r"\$", r"\&", r"\#", r"\%", r"\_"),
}
_UNICODE = re.compile(r"[ -~\nÀ-ÖØ-öø-ÿŒœŠšŽž]*\Z")


def read_rows(text: str) -> list[list[list[str]]]:
    """The rows of every tabular, as lists of cells in LaTeX. Fails by assertion on anything unbalanced or unknown."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert _UNICODE.match(body), "a character that pdflatex has no letter for"
    _check_groups(body)
    tables = []
    for columns, inside in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", body, re.DOTALL):
        rows = [
            _cells(line.removesuffix(r" \\"))
            for line in inside.strip().splitlines()
            if line not in {r"\toprule", r"\midrule", r"\bottomrule"}
        ]
        assert all(line.endswith(r" \\") for line in inside.strip().splitlines() if not line.endswith("rule"))
        assert {len(row) for row in rows} == {len(columns)}
        tables.append(rows)
    return tables


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)&", row)]


def _check_groups(text: str) -> None:
    """Braces, environments and math are closed in order; no active character stands bare; every command is a known one."""
    open_groups: list[str] = []
    math = False
    tokens = _TOKEN.findall(text)
    for index, token in enumerate(tokens):
        if token.startswith("\\"):
            assert token in _WORDS, token
            if token in {r"\begin", r"\end"}:
                name = "".join(tokens[index + 1 : tokens.index("}", index) + 1])
                assert name in {"{table}", "{tabular}"}
                if token == r"\begin":
                    open_groups.append(name)
                else:
                    assert open_groups.pop() == name
        elif token == "{":
            open_groups.append(token)
        elif token == "}":
            assert open_groups.pop() == "{"
        elif token == "$":
            math = not math
        else:
            assert token not in set('#%_^~"'), token
            assert token != "&" or open_groups[-1] == "{tabular}"
    assert not open_groups and not math
